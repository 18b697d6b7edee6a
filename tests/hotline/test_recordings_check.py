"""The doctor compares recordings with what was recorded."""

from pathlib import Path

import pytest

from calls.records import calls, recordings
from calls.redaction import checksum
from hotline.database import migrate, open_engine
from hotline.recordings_check import CannotCheck, altered_recordings, in_short


async def test_what_was_altered_or_is_missing_is_named(tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'hotline.db'}"
    engine = open_engine(url)
    await migrate(engine)
    paths = {name: tmp_path / f"{name}.wav" for name in ("whole", "altered", "missing", "let_go")}
    async with engine.begin() as connection:
        for name, path in paths.items():
            path.write_bytes(name.encode())
            kept = None if name == "let_go" else str(path)
            await connection.execute(
                calls.insert().values(
                    call_id=name, node="n", line="12345", sip_call_id=name, arrived_at=0.0,
                    recording=kept,
                )
            )  # fmt: skip
            await connection.execute(
                recordings.insert().values(
                    call_id=name, part=1, path=str(path), seconds=1.0, bytes=1,
                    sha256=checksum(path), pauses=[], begins=0.0,
                )
            )  # fmt: skip
    await engine.dispose()
    paths["altered"].write_bytes(b"something else")
    for name in ("missing", "let_go"):
        paths[name].unlink()
    assert await altered_recordings(url) == (
        3,
        [f"{paths['altered']} was altered", f"{paths['missing']} is missing"],
    )


async def test_without_a_database_nothing_is_compared(tmp_path: Path) -> None:
    with pytest.raises(CannotCheck, match="no such table"):
        await altered_recordings(f"sqlite+aiosqlite:///{tmp_path / 'none.db'}")


def test_many_are_counted() -> None:
    assert in_short(["a", "b"]) == "a; b"
    assert in_short(list("abcdefg")) == "a; b; c; d; e; and 2 more"
