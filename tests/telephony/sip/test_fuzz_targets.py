"""The fuzzer's targets, a short run for every day; `bench.fuzz_sip` is the long one.

Random bytes seldom look like SIP, so text is made from good examples by cutting and pasting; what
drives the machines is a script already, of which any bytes are a good one.
"""

import logging
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.fuzz_everything import ANYTHING
from bench.fuzz_everything import seeds as all_seeds
from bench.fuzz_sip import fuzz
from bench.fuzz_targets import TARGETS, seeds

RUNS = 1500
MESSAGES, DESCRIPTIONS, CREDENTIALS = (
    st.sampled_from(list(seeds(target))) for target in ("message", "sdp", "digest")
)
CUTS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 6), st.binary(max_size=6)), max_size=5)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Keep aiosipua from warning of every body that was cut."""
    logging.disable(logging.WARNING)
    yield
    logging.disable(logging.NOTSET)


def spoilt(data: bytes, cuts: list[tuple[float, int, bytes]]) -> bytes:
    for place, gone, new in cuts:
        at = int(place * len(data))
        data = data[:at] + new + data[at + gone :]
    return data


@given(MESSAGES, CUTS)
def test_messages(data: bytes, cuts: list[tuple[float, int, bytes]]) -> None:
    TARGETS["message"](spoilt(data, cuts))


@given(st.sampled_from(list(seeds("stream"))), CUTS)
def test_streams(data: bytes, cuts: list[tuple[float, int, bytes]]) -> None:
    TARGETS["stream"](spoilt(data, cuts))


@given(st.sampled_from(list(seeds("websocket"))), CUTS)
def test_websockets(data: bytes, cuts: list[tuple[float, int, bytes]]) -> None:
    TARGETS["websocket"](spoilt(data, cuts))


@given(DESCRIPTIONS, CUTS)
def test_session_descriptions(data: bytes, cuts: list[tuple[float, int, bytes]]) -> None:
    TARGETS["sdp"](spoilt(data, cuts))


@given(CREDENTIALS, CUTS)
def test_credentials(data: bytes, cuts: list[tuple[float, int, bytes]]) -> None:
    TARGETS["digest"](spoilt(data, cuts))


@pytest.mark.parametrize("target", ["transactions", "inbound leg", "outbound leg"])
@given(script=st.binary(max_size=300))
def test_machines(target: str, script: bytes) -> None:
    TARGETS[target](script)


@pytest.mark.skipif(find_spec("atheris") is None, reason="no wheel of atheris for this machine")
def test_fuzz_guided_by_coverage(tmp_path: Path) -> None:
    ((row, complaint),) = fuzz([ANYTHING], 300, tmp_path, runs=RUNS, slowest=60)
    assert row.findings == 0, complaint
    assert row.executions >= RUNS
    assert row.corpus > len(list(all_seeds(ANYTHING))) // 4  # it has found its way into the targets
