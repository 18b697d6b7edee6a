"""The tables against the algorithms of ITU-T G.191 (the Software Tools Library's g711.c), which are
written sample by sample with loops, unlike ours."""

import numpy as np
import pytest

from telephony.media import g711
from telephony.media.g711 import (
    ALAW_TO_LINEAR,
    ALAW_TO_ULAW,
    LINEAR_TO_ALAW,
    LINEAR_TO_ULAW,
    ULAW_TO_ALAW,
    ULAW_TO_LINEAR,
)
from tests.support.tones import level_dbfs, sine, tone_level


def alaw_compress(sample: int) -> int:
    magnitude = (~sample if sample < 0 else sample) >> 4
    if magnitude > 15:
        exponent = 1
        while magnitude > 16 + 15:
            magnitude >>= 1
            exponent += 1
        magnitude = magnitude - 16 + (exponent << 4)
    if sample >= 0:
        magnitude |= 0x80
    return magnitude ^ 0x55


def alaw_expand(code: int) -> int:
    code ^= 0x55
    exponent, mantissa = (code & 0x7F) >> 4, code & 0x0F
    if exponent > 0:
        mantissa += 16
    mantissa = (mantissa << 4) + 8
    if exponent > 1:
        mantissa <<= exponent - 1
    return mantissa if code & 0x80 else -mantissa


def ulaw_compress(sample: int) -> int:
    magnitude = ((~sample if sample < 0 else sample) >> 2) + 33
    magnitude = min(magnitude, 0x1FFF)
    rest, segment = magnitude >> 6, 1
    while rest:
        segment += 1
        rest >>= 1
    code = ((8 - segment) << 4) | (0x0F - ((magnitude >> segment) & 0x0F))
    return code | 0x80 if sample >= 0 else code


def ulaw_expand(code: int) -> int:
    sign = -1 if code < 0x80 else 1
    mantissa = ~code & 0xFF
    exponent = (mantissa >> 4) & 7
    step = 4 << (exponent + 1)
    value = (0x80 << exponent) + step * (mantissa & 0x0F) + step // 2 - 4 * 33
    return sign * value


def test_every_sample_is_encoded_as_the_itu_does() -> None:
    samples = range(-32768, 32768)
    assert [int(LINEAR_TO_ALAW[s & 0xFFFF]) for s in samples] == [*map(alaw_compress, samples)]
    assert [int(LINEAR_TO_ULAW[s & 0xFFFF]) for s in samples] == [*map(ulaw_compress, samples)]


def test_every_code_is_decoded_as_the_itu_does() -> None:
    assert ALAW_TO_LINEAR.tolist() == [alaw_expand(code) for code in range(256)]
    assert ULAW_TO_LINEAR.tolist() == [ulaw_expand(code) for code in range(256)]


def test_the_well_known_values() -> None:
    assert g711.encode("PCMA", np.array([0, -1, 32767, -32768], np.int16)).hex() == "d555aa2a"
    assert g711.encode("PCMU", np.array([0, -1, 32767, -32768], np.int16)).hex() == "ff7f8000"
    assert g711.decode("PCMU", b"\xff\x7f\x80\x00").tolist() == [0, 0, 32124, -32124]
    assert g711.decode("PCMA", b"\xd5\x55\xaa\x2a").tolist() == [8, -8, 32256, -32256]


@pytest.mark.parametrize(
    "table,source,target",
    [
        (ALAW_TO_ULAW, ALAW_TO_LINEAR, ULAW_TO_LINEAR),
        (ULAW_TO_ALAW, ULAW_TO_LINEAR, ALAW_TO_LINEAR),
    ],
    ids=["A to µ", "µ to A"],
)
def test_transcoding_keeps_sign_and_order_and_stays_within_a_step(
    table: bytes, source: g711.Pcm, target: g711.Pcm
) -> None:
    codes = np.arange(256)
    before = source[codes].astype(int)
    after = target[np.frombuffer(table, np.uint8)].astype(int)
    positive = codes >= 0x80
    assert (after[positive] >= 0).all()
    assert (after[~positive] <= 0).all()
    order = np.argsort(before, kind="stable")
    assert (np.diff(after[order]) >= 0).all()
    # No further from the original than one step of the target's scale at that place.
    scale = np.unique(np.abs(target.astype(int)))
    step = np.diff(scale, append=2 * scale[-1] - scale[-2])
    allowed = step[np.searchsorted(scale, np.abs(after))]
    assert (np.abs(after - before) <= np.maximum(allowed, 8)).all()


def test_transcoding_entries_of_the_recommendation() -> None:
    # Counted from 0: µ-law magnitudes 79, 80, 81 become A-law 78, 79, 81; rounding says 78, 79, 80.
    assert [ULAW_TO_ALAW[0xFF ^ 79], ULAW_TO_ALAW[0xFF ^ 80]] == [0xD5 ^ 78, 0xD5 ^ 79]
    assert ULAW_TO_ALAW[0xFF ^ 81] == 0xD5 ^ 81
    # The smallest A-law steps are two µ-law steps wide: 0, 1 … 7 become 1, 3 … 15.
    assert [ALAW_TO_ULAW[0xD5 ^ n] for n in range(8)] == [0xFF ^ n for n in range(1, 16, 2)]


def test_a_to_ulaw_and_back_is_transparent_above_the_smallest_values() -> None:
    there_and_back = bytes(range(256)).translate(ALAW_TO_ULAW).translate(ULAW_TO_ALAW)
    before = ALAW_TO_LINEAR.astype(int)
    after = g711.decode("PCMA", there_and_back).astype(int)
    assert (np.abs(after - before) <= np.maximum(np.abs(before) / 16, 8)).all()


@pytest.mark.parametrize("amplitude", [300, 3000, 30000])
def test_a_tone_survives_transcoding_both_ways(amplitude: int) -> None:
    tone = sine(1000, 0.5, amplitude)
    there = g711.encode("PCMA", tone).translate(ALAW_TO_ULAW)
    back = g711.decode("PCMA", there.translate(ULAW_TO_ALAW))
    assert tone_level(back, 1000) == pytest.approx(tone_level(tone, 1000), abs=0.3)
    assert level_dbfs(back - tone) < tone_level(tone, 1000) - 25


def test_same_law_needs_no_table() -> None:
    assert g711.transcoding("PCMA", "PCMA") is None
    assert g711.transcoding("PCMU", "PCMU") is None
    assert g711.transcoding("PCMA", "PCMU") == ALAW_TO_ULAW
    assert g711.transcoding("PCMU", "PCMA") == ULAW_TO_ALAW
