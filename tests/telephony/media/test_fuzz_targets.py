"""The fuzzer's targets on RTP ports under hypothesis; `bench.fuzz_sip` is the long run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.fuzz_media_targets import TARGETS, seeds

SEEDS = {target: list(seeds(target)) for target in TARGETS}
CUTS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 6), st.binary(max_size=6)), max_size=5)


def spoilt(data: bytes, cuts: list[tuple[float, int, bytes]]) -> bytes:
    for place, gone, new in cuts:
        at = int(place * len(data))
        data = data[:at] + new + data[at + gone :]
    return data


@pytest.mark.parametrize("target", TARGETS)
@given(number=st.integers(0, 1), cuts=CUTS)
def test_nothing_leads_them_astray(
    target: str, number: int, cuts: list[tuple[float, int, bytes]]
) -> None:
    TARGETS[target](spoilt(SEEDS[target][number], cuts))
