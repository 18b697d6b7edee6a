import re
import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calls.redaction import (
    BLACKENED,
    RedactionError,
    Span,
    blacken,
    blackened_fields,
    repeats,
    silence,
)

RATE = 8000
Samples = npt.NDArray[np.int16]


def recording(path: Path, seconds: float) -> Samples:
    """A stereo recording of noise, without one silent sample; returns its samples."""
    samples = np.random.default_rng(1).integers(1, 30000, (int(seconds * RATE), 2), np.int16)
    with wave.open(str(path), "wb") as file:
        file.setparams((2, 2, RATE, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    return samples


def heard(path: Path) -> Samples:
    with wave.open(str(path), "rb") as file:
        assert file.getparams()[:3] == (2, 2, RATE)
        return np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2)


@settings(max_examples=30, deadline=None)
@given(
    start=st.floats(0, 11),
    length=st.floats(0.01, 20),
    side=st.sampled_from(["caller", "agent", "both"]),
)
def test_only_the_span_of_that_side_is_silent(
    tmp_path_factory: pytest.TempPathFactory, start: float, length: float, side: str
) -> None:
    path = tmp_path_factory.mktemp("r") / "call.wav"
    before = recording(path, 12.0)
    seconds = silence(path, Span(start, start + length, side))  # type: ignore[arg-type]
    after = heard(path)
    assert len(after) == len(before)
    first, last = round(start * RATE), min(round((start + length) * RATE), 12 * RATE)
    expected = before.copy()
    for channel, name in enumerate(("caller", "agent")):
        if side in {name, "both"}:
            expected[first:last, channel] = 0
    assert np.array_equal(after, expected)
    assert seconds == pytest.approx((last - first) / RATE)
    assert [entry.name for entry in path.parent.iterdir()] == ["call.wav"]


def test_a_span_that_is_not_there_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    before = recording(path, 1.0)
    with pytest.raises(RedactionError, match="over before 2 s"):
        silence(path, Span(2.0, 3.0))
    with pytest.raises(RedactionError, match="before its end"):
        Span(3.0, 3.0)
    assert np.array_equal(heard(path), before)
    path.write_bytes(b"no recording")
    with pytest.raises(RedactionError, match=r"call\.wav"):
        silence(path, Span(0.0, 1.0))
    assert path.read_bytes() == b"no recording"


def test_which_words_a_span_touches() -> None:
    span = Span(2.0, 3.0, "caller")
    assert span.touches(1.0, 2.5, "caller")
    assert not span.touches(1.0, 2.0, "caller")
    assert not span.touches(1.0, 2.5, "agent")
    assert Span(2.0, 3.0).touches(2.9, 4.0, "agent")


@given(
    st.text("路灯坏了，卡号六二。 ", max_size=30),
    st.text("路灯坏了卡号六二", min_size=4, max_size=8),
)
def test_nothing_said_in_the_span_is_left_in_a_text(text: str, said: str) -> None:
    left = "".join(re.split(r"[，。 ]", blacken(text, [said])))
    assert said not in left
    if not any(said[n : n + 4] in re.sub(r"[，。 ]", "", text) for n in range(len(said) - 3)):
        assert blacken(text, [said]) == text


def test_evidence_in_the_span_goes_and_what_the_content_repeats_of_it() -> None:
    def field(value: str, start: float) -> dict[str, object]:
        passage = {"leg": "caller", "start": start, "end": start + 1.0}
        return {"value": value, "source": "heard", "evidence": value, "passage": passage}

    fields = {
        "name": field("陆", 2.0),
        "address": field("文昌路66号", 8.0),
        "phone": {**field("13862311001", 3.0), "source": "agent"},
        "category": field("消费维权", 2.5),
        "content": {**field("文昌路66号路灯坏了，卡号是6222。", 0.0), "passage": None},
    }
    redacted = blackened_fields(fields, Span(2.0, 4.0, "caller"), ["我姓陆，卡号是6222。"])
    assert redacted["name"] == {**fields["name"], "value": None, "evidence": BLACKENED}
    assert redacted["address"] == fields["address"]
    assert redacted["phone"]["value"] == "13862311001"
    assert redacted["category"]["value"] == "消费维权"
    assert redacted["content"]["value"] == f"文昌路66号路灯坏了，{BLACKENED}。"


def test_of_bits_far_apart_the_words_tell() -> None:
    # As it was stored before bits had times of their own: those of the last one.
    address = {
        "value": "太仓市城厢镇县府街12号",
        "source": "heard",
        "evidence": "太仓市城厢镇 … 县府街12号",
        "passage": {"leg": "caller", "start": 80.0, "end": 82.0},
    }
    span = Span(2.0, 4.0, "caller")
    left = blackened_fields({"address": address}, span, ["我住在太仓市城厢镇"])["address"]
    assert (left["value"], left["evidence"]) == (None, BLACKENED)
    assert blackened_fields({"address": address}, span, ["我的卡号是6222"])["address"] == address


def test_a_syllable_tells_nothing_of_a_longer_text() -> None:
    assert not repeats("郝好", ["好"])
    assert repeats("好", ["好"])
    assert repeats("13862311001", ["138"])
    assert not repeats("", ["好"])
