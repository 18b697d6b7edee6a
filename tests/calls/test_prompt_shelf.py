"""Recordings that administrators put in the place of those that ship."""

from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from calls.documents import Book
from calls.prompt_shelf import (
    FORM,
    MOST_SECONDS,
    BadRecording,
    PromptsDocument,
    PromptShelf,
    SqlPromptFiles,
    UnknownPrompt,
    configured,
    seconds_of,
)
from eventbus.bus import EventBus
from hotline.attending import PROMPTS
from hotline.database import migrate, open_engine
from telephony.media.prompts import read_wav
from tests.support.documents import MemoryVersions
from tests.support.waves import mono_wav
from tests.web.fake_prompts import MemoryFiles

Make = Callable[[str], PromptShelf]


@pytest.fixture
def node(tmp_path: Path) -> Make:
    """Nodes that share the database."""
    versions, files, bus = MemoryVersions(), MemoryFiles(), EventBus()

    def make(name: str) -> PromptShelf:
        book: Book[PromptsDocument] = Book(
            FORM, versions, configured=configured, bus=bus, note=lambda *_: None
        )
        return PromptShelf(folder=tmp_path / name, shipped=PROMPTS, book=book, files=files)

    return make


async def test_what_ships_is_played_until_something_else_is_given(node: Make) -> None:
    shelf = node("one")
    await shelf.lay_out()
    assert shelf.path("zh.welcome").readlink() == PROMPTS / "zh" / "welcome.wav"
    assert shelf.path("music").read_bytes() == (PROMPTS / "music.wav").read_bytes()
    before = {prompt.name: prompt for prompt in shelf.list_()}
    assert before["zh.thanks"].text
    assert not before["zh.thanks"].replaced
    assert before["zh.thanks"].seconds > 0

    given = mono_wav(1.2, rate=16000)
    await shelf.put("zh.thanks", given, who="9001")

    assert shelf.path("zh.thanks").read_bytes() == given
    assert not shelf.path("zh.thanks").is_symlink()
    assert len(read_wav(shelf.path("zh.thanks"))) == 1.2 * 8000, "the media process can play it"
    after = {prompt.name: prompt for prompt in shelf.list_()}
    assert (after["zh.thanks"].replaced, after["zh.thanks"].seconds) == (True, 1.2)
    await shelf.restore("zh.thanks", who="9001")
    assert shelf.path("zh.thanks").is_symlink()
    assert (PROMPTS / "zh" / "thanks.wav").read_bytes() != given, "what ships is left alone"


async def test_another_node_plays_it_as_well_and_again_after_a_start(node: Make) -> None:
    here, there = node("one"), node("two")
    given = mono_wav(1)
    await here.put("zh.welcome-12345", given, who="9001")
    await there.book.load()
    await there.lay_out()
    assert there.path("zh.welcome-12345").read_bytes() == given
    again = node("two")
    await again.book.load()
    again.path("zh.welcome-12345").write_bytes(b"somebody broke it")
    await again.lay_out()
    assert again.path("zh.welcome-12345").read_bytes() == given
    await here.restore("zh.welcome-12345", who="9001")
    await again.book.load()
    await again.lay_out()
    with pytest.raises(UnknownPrompt):
        again.path("zh.welcome-12345")


async def test_who_changes_and_who_follows_do_not_lay_out_at_once(node: Make) -> None:
    shelf = node("one")
    await shelf.start()
    with capture_logs() as logged:
        for _ in range(10):
            await shelf.put("zh.thanks", mono_wav(1), who="9001")
            assert shelf.path("zh.thanks").read_bytes() == mono_wav(1)
            await shelf.restore("zh.thanks", who="9001")
            assert shelf.path("zh.thanks").is_symlink()
    await shelf.close()
    assert not [line for line in logged if line["log_level"] != "info"]


async def test_octets_that_are_gone_leave_what_ships(node: Make) -> None:
    shelf = node("one")
    await shelf.book.put("recordings", "en.closed", {"sha256": "0" * 64, "seconds": 1}, who="9001")
    await shelf.lay_out()
    assert shelf.path("en.closed").is_symlink()


@pytest.mark.parametrize("name", ["zh.nothing", "fr.welcome", "welcome", "zh.welcome-x"])
async def test_what_is_never_played_is_refused(node: Make, name: str) -> None:
    with pytest.raises(UnknownPrompt):
        await node("one").put(name, mono_wav(1), who="9001")


@pytest.mark.parametrize(
    "octets, why",
    [
        (b"", "no PCM WAV file"),
        (b"ID3\x04 a song", "no PCM WAV file"),
        (mono_wav(1, channels=2), "2 channels"),
        (mono_wav(1, width=1), "8 bits"),
        (mono_wav(1, rate=44100), "44100 samples"),
        (mono_wav(0), "0 octets"),
        (mono_wav(1)[:-4], "15996 octets of audio where its head says 16000"),
        (mono_wav(MOST_SECONDS + 1), "601 s"),
    ],
)
def test_a_recording_that_cannot_be_played_is_refused(octets: bytes, why: str) -> None:
    with pytest.raises(BadRecording, match=why):
        seconds_of(octets)


async def test_the_database_keeps_octets_once(database_url: str) -> None:
    engine = open_engine(database_url)
    await migrate(engine)
    files = SqlPromptFiles(engine)
    assert await files.get("a" * 64) is None
    await files.put("a" * 64, b"\0\xff")
    await files.put("a" * 64, b"\0\xff")
    assert await files.get("a" * 64) == b"\0\xff"
    await engine.dispose()
