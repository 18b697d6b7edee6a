import itertools
from pathlib import Path

import pytest

from asr.control import LoadChanged
from asr.group import USUAL
from config.settings import ConfigError, Settings, load
from hotline.recognisers import (
    MOST_HINTS,
    RecogniserHealth,
    by_line,
    command,
    hints,
    recognisers,
    title,
)
from tickets.help.knowledge import Entry

ENGLISH = """
[lines."12345"]
name = "热线"
skill = "general"
[lines."96000"]
name = "English"
skill = "english"
[lines."96001"]
name = "Police"
skill = "general"
[asr]
by_skill = ["english=english"]
by_line = ["96001=server"]
[asr.recognisers.english]
engine = "vosk"
model_path = "/models/en"
[asr.recognisers.server]
engine = "funasr"
url = "ws://10.1.2.3:10095"
phrases_path = "/etc/names"
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    file = tmp_path / "hotline.toml"
    file.write_text(ENGLISH, encoding="utf-8")
    return load(file, {})


def test_the_line_chooses_or_else_the_seat(settings: Settings) -> None:
    assert list(recognisers(settings.asr)) == [USUAL, "english", "server"]
    assert by_line(settings.asr, settings.lines) == {"96000": "english", "96001": "server"}
    assert [title(name) for name in recognisers(settings.asr)][:2] == [
        "recogniser",
        "recogniser-english",
    ]


def test_each_gets_its_own_engine_and_the_common_options(settings: Settings) -> None:
    server = settings.asr.recognisers["server"]
    argv = command(settings.asr, server, socket=Path("/run/s"), model=None)
    pairs = dict(itertools.pairwise(argv))
    assert pairs["--engine"] == "funasr"
    assert pairs["--url"] == "ws://10.1.2.3:10095"
    assert pairs["--phrases"] == "/etc/names"
    assert pairs["--lag-budget"] == "1.0"
    assert "--model" not in argv
    assert "--no-vad" not in argv


@pytest.mark.parametrize(
    "variables,wanted",
    [
        ({"HOTLINE_ASR__BY_LINE": "96000=french"}, "a table asr.recognisers.french"),
        ({"HOTLINE_ASR__ENGINE": "funasr"}, "a url with engine funasr"),
        ({"HOTLINE_ASR__ONLY_PHRASES": "true"}, "a phrases_path with only_phrases"),
        ({"HOTLINE_ASR__URL": "http://x"}, "begins with ws: or wss:"),
    ],
)
def test_what_does_not_fit_is_refused(variables: dict[str, str], wanted: str) -> None:
    with pytest.raises(ConfigError, match=wanted):
        load(None, variables)


def test_health_names_who_complains_and_what_is_given_up() -> None:
    told: list[tuple[object, ...]] = []
    health = RecogniserHealth(lambda *state: told.append(state))
    health.status(USUAL, "ok", None)
    assert told.pop() == ("ok", None)
    health.status("english", "away", "not started")
    assert told.pop() == ("degraded", "recogniser-english: not started")
    health.status("english", "ok", None)
    health.load(USUAL, LoadChanged(1.4, partials=True, streams=3))
    assert told.pop() == (
        "degraded",
        "3 streams are recognised after their calls, no partial results, lag 1.4 s",
    )
    health.load(USUAL, LoadChanged())
    assert told.pop() == ("ok", None)
    health.load(USUAL, LoadChanged(trouble="the server is away"))
    assert told.pop() == ("degraded", "the server is away")
    health.status(USUAL, "away", "it closed its connection")
    assert told.pop() == ("away", "it closed its connection")


def test_hints_are_the_own_list_the_citys_names_and_the_knowledges(
    settings: Settings, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    own.write_text("金仓湖\n\n县府街\n", encoding="utf-8")
    entry = Entry(
        id="gjj",
        title="公积金提取",
        category="住房保障",
        source="条例",
        body="……",
        keywords=("租房", "县府街"),
    )
    long = Entry(id="x", title="很长" * 9, category="", source="", body="", keywords=())
    wanted = ["金仓湖", "县府街", "锦都花园", "公积金提取", "租房"]
    assert hints(["锦都花园"], [entry, long], own) == wanted
    assert len(hints(map(str, range(9999)), [], None)) == MOST_HINTS
    server = settings.asr.recognisers["server"]
    written = tmp_path / "written"
    argv = command(settings.asr, server, socket=Path("/run/s"), model=None, hints=written)
    assert dict(itertools.pairwise(argv))["--phrases"] == str(written)
