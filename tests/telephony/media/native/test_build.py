"""Compiling the native path: once for each state of the sources, and clear when it cannot be."""

import sys
from pathlib import Path

import pytest

from telephony.media.native import build


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let libraries be put into a folder of the test's."""
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    return tmp_path


def test_it_is_built_once(elsewhere: Path) -> None:
    if build.compiler() is None:
        pytest.skip("no C compiler")
    first = build.build(("-O0",))
    made = first.stat().st_mtime_ns
    assert first.is_relative_to(elsewhere)
    assert build.build(("-O0",)).stat().st_mtime_ns == made
    assert [path.name for path in first.parent.iterdir()] == [first.name]


def test_other_sources_or_options_are_another_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {build.location(("-O0",)), build.location(("-O1",))}
    for path in (*build.sources(), build.SOURCES / "core.h"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "rtp.c").write_text("/* changed */")
    monkeypatch.setattr(build, "SOURCES", tmp_path)
    names.add(build.location(("-O0",)))
    assert len(names) == 3


def test_without_a_compiler_it_says_so(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(elsewhere))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(build.BuildFailed, match="no C compiler"):
        build.build()


def test_what_the_compiler_refuses_is_told_in_one_line(elsewhere: Path) -> None:
    if build.compiler() is None:
        pytest.skip("no C compiler")
    with pytest.raises(build.BuildFailed, match=r"error.*no-such-option") as caught:
        build.build(("--no-such-option",))
    assert "\n" not in str(caught.value)
    assert not list(elsewhere.rglob("*.so"))


@pytest.mark.parametrize("options,status", [((), 0), (("--strict",), 1)])
def test_set_up_goes_on_without_it(
    elsewhere: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    status: int,
) -> None:
    monkeypatch.setenv("PATH", str(elsewhere))
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(sys, "argv", ["build", *options])
    assert build.main() == status
    said = capsys.readouterr()
    assert said.err.startswith("the media engine in Python is used: there is no C compiler")
    assert said.err.count("\n") == 1
