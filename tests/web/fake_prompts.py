"""A real shelf of two recordings; what is given is kept in memory."""

from pathlib import Path

from calls.documents import Book, Note
from calls.prompt_shelf import FORM, PromptShelf, configured
from eventbus.bus import EventBus
from tests.support.documents import MemoryVersions
from tests.support.waves import mono_wav


class MemoryFiles:
    """Octets by digest."""

    def __init__(self) -> None:
        self.octets: dict[str, bytes] = {}

    async def get(self, digest: str) -> bytes | None:
        """Return them, or None."""
        return self.octets.get(digest)

    async def put(self, digest: str, octets: bytes) -> None:
        """Keep them."""
        self.octets[digest] = octets


def fake_prompts(folder: Path, bus: EventBus, note: Note) -> PromptShelf:
    """Return the shelf; its folder is laid out when a test wants it."""
    shipped = folder / "shipped"
    (shipped / "zh").mkdir(parents=True, exist_ok=True)
    (shipped / "zh" / "welcome.wav").write_bytes(mono_wav(1))
    (shipped / "zh" / "texts.tsv").write_text("welcome\t您好，这里是 12345\n", encoding="utf-8")
    (shipped / "music.wav").write_bytes(mono_wav(2))
    book = Book(FORM, MemoryVersions(), configured=configured, bus=bus, note=note)
    return PromptShelf(folder=folder / "prompts", shipped=shipped, book=book, files=MemoryFiles())
