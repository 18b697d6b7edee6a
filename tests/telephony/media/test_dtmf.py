"""Keys as events and as tones."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.media.dtmf import (
    HIGH,
    KEYS,
    LOST_END_SECONDS,
    LOW,
    KeyEvent,
    KeyPress,
    KeyReceiver,
    KeySender,
    ToneDetector,
    build_event,
    parse_event,
)
from telephony.media.tones import key
from tests.support.tones import Pcm, sine

RUN = "run"


def event(code: int, duration: int, *, end: bool = False) -> bytes:
    return build_event(KeyEvent(code, end, duration))


def test_the_octets_are_those_of_rfc_4733() -> None:
    # Figure 1: event 5, end bit, reserved bit clear, volume 10, duration 800.
    assert event(5, 800, end=True) == b"\x05\x8a\x03\x20"
    assert parse_event(b"\x0b\x0a\x00\xa0more") == KeyEvent(11, end=False, duration=160)
    assert parse_event(b"\x05\x8a\x03") is None


def test_a_press_is_told_at_its_end_once() -> None:
    keys = KeyReceiver()
    assert keys.handle(event(5, 160), 1000, RUN, 0.0) == []
    assert keys.expire(LOST_END_SECONDS - 0.01) == []
    assert keys.handle(event(5, 800, end=True), 1000, RUN, 0.1) == [KeyPress("5", 0.1)]
    assert keys.deadline is None
    for _ in range(2):
        assert keys.handle(event(5, 800, end=True), 1000, RUN, 0.12) == []
    assert keys.handle(event(5, 640), 1000, RUN, 0.12) == []  # late


def test_the_same_key_again_is_another_press() -> None:
    keys = KeyReceiver()
    keys.handle(event(5, 800, end=True), 1000, RUN, 0.1)
    assert keys.handle(event(5, 800, end=True), 3000, RUN, 0.4) == [KeyPress("5", 0.1)]


def test_a_lost_end_is_noticed_by_the_next_press_or_by_time() -> None:
    keys = KeyReceiver()
    keys.handle(event(1, 320), 1000, RUN, 0.0)
    assert keys.handle(event(2, 160), 3000, RUN, 0.1) == [KeyPress("1", 0.04)]
    assert keys.expire(0.2) == []
    assert keys.expire(0.1 + LOST_END_SECONDS) == [KeyPress("2", 0.02)]
    assert keys.expire(9.0) == []


def test_a_straggler_of_the_press_before_is_not_a_press() -> None:
    keys = KeyReceiver()
    keys.handle(event(1, 800, end=True), 1000, RUN, 0.0)
    keys.handle(event(2, 160), 3000, RUN, 0.1)
    assert keys.handle(event(1, 800, end=True), 1000, RUN, 0.11) == []
    assert keys.handle(event(2, 320, end=True), 3000, RUN, 0.12) == [KeyPress("2", 0.04)]


def test_a_very_long_press_in_segments_is_one() -> None:
    keys = KeyReceiver()  # RFC 4733 section 2.5.1.3
    keys.handle(event(9, 0xFFFF), 1000, RUN, 8.0)
    assert keys.handle(event(9, 1600), 1000 + 0xFFFF, RUN, 8.2) == []
    (press,) = keys.handle(event(9, 1600, end=True), 1000 + 0xFFFF, RUN, 8.2)
    assert press == KeyPress("9", pytest.approx((0xFFFF + 1600) / 8000))  # type: ignore[arg-type]


def test_other_events_are_no_keys() -> None:
    keys = KeyReceiver()
    assert keys.handle(event(16, 800, end=True), 1000, RUN, 0.0) == []  # hook flash
    assert keys.handle(b"", 2000, RUN, 0.0) == []


@given(
    presses=st.lists(st.tuples(st.integers(0, 15), st.integers(1, 20)), min_size=1, max_size=6),
    kept=st.data(),
)
def test_a_press_of_which_anything_arrives_is_one_press(
    presses: list[tuple[int, int]], kept: st.DataObject
) -> None:
    keys, heard = KeyReceiver(), ""
    now, stamp = 0.0, 0xFFFFF000  # wraps on the way
    for code, frames in presses:
        packets = [event(code, n * 160) for n in range(1, frames)]
        packets += [event(code, frames * 160, end=True)] * 3
        arriving = kept.draw(st.sets(st.integers(0, len(packets) - 1), min_size=1))
        for number, packet in enumerate(packets):
            now += 0.02
            if number in arriving:
                heard += "".join(p.key for p in keys.handle(packet, stamp, RUN, now))
            # It is asked at every tick; the end of a press may be lost.
            heard += "".join(p.key for p in keys.expire(now)) if number not in arriving else ""
        now += 0.5
        heard += "".join(p.key for p in keys.expire(now))
        stamp = (stamp + frames * 160 + 4000) & 0xFFFFFFFF
    wanted = "".join(KEYS[code] for code, _ in presses)
    # A hole of 200 ms within a press counts as its end; what comes after is of the same timestamp.
    assert heard == wanted


@given(st.lists(st.tuples(st.binary(max_size=6), st.integers(0, 2**32 - 1)), max_size=30))
def test_any_octets_are_keys_or_nothing(packets: list[tuple[bytes, int]]) -> None:
    keys = KeyReceiver()
    for number, (payload, stamp) in enumerate(packets):
        for press in keys.handle(payload, stamp, RUN, number * 0.02):
            assert press.key in KEYS


def sent(sender: KeySender, ticks: int) -> list[tuple[KeyEvent, bool] | None]:
    out: list[tuple[KeyEvent, bool] | None] = []
    for _ in range(ticks):
        due = sender.tick()
        read = parse_event(due[0]) if due is not None else None
        out.append((read, due[1]) if read is not None and due is not None else None)
    return out


def test_what_we_press_is_what_a_receiver_hears() -> None:
    sender, receiver, heard = KeySender(), KeyReceiver(), ""
    sender.press("0123456789*#ABCD", 0.1)
    stamp = 0
    for tick in range(400):
        due = sender.tick()
        if due is not None:
            payload, begins = due
            stamp += 1600 if begins else 0
            heard += "".join(p.key for p in receiver.handle(payload, stamp, RUN, tick * 0.02))
    assert heard == "0123456789*#ABCD"
    assert sender.idle


def test_a_press_of_ours_packet_by_packet() -> None:
    sender = KeySender()
    assert (sender.idle, sender.pressing) == (True, False)
    sender.press("5", 0.06)
    assert sender.pressing
    assert sent(sender, 9) == [
        (KeyEvent(5, end=False, duration=160), True),
        (KeyEvent(5, end=False, duration=320), False),
        (KeyEvent(5, end=True, duration=480), False),
        (KeyEvent(5, end=True, duration=480), False),
        (KeyEvent(5, end=True, duration=480), False),
        *[None] * 4,
    ]
    assert sender.idle


def test_an_unknown_key_is_our_mistake() -> None:
    sender = KeySender()
    with pytest.raises(ValueError, match="substring"):
        sender.press("1x", 0.1)
    assert sender.idle


# -- tones -----------------------------------------------------------------------------------------


def found(pcm: Pcm, piece: int = 160) -> str:
    detector = ToneDetector()
    pieces = np.split(pcm, range(piece, len(pcm), piece))
    return "".join(press.key for part in pieces for press in detector.hear(part))


ALL = np.concatenate([key(name) for name in KEYS])


@pytest.mark.parametrize("piece", [80, 160, 1000, 100000])
def test_every_key_is_found_however_the_audio_is_cut(piece: int) -> None:
    assert found(np.concatenate((ALL, np.zeros(400, np.int16))), piece) == KEYS


@pytest.mark.parametrize("decibels", [-25, -10, 0])
@pytest.mark.parametrize("offset", range(0, 102, 17))
def test_keys_are_found_at_every_level_through_noise(decibels: int, offset: int) -> None:
    random = np.random.default_rng(offset)
    clean = np.concatenate((np.zeros(offset), ALL, np.zeros(400))) * 10 ** (decibels / 20)
    noise = random.normal(0, 700 * 10 ** (decibels / 20), len(clean))
    assert found((clean + noise).astype(np.int16)) == KEYS


def pair(low: float, high: float, *, seconds: float = 0.1, twist: float = 0.0) -> Pcm:
    louder = 4000 * 10 ** (twist / 20)
    both = sine(low, seconds, 4000).astype(int) + sine(high, seconds, louder)
    return np.concatenate((both, np.zeros(800))).astype(np.int16)


@pytest.mark.parametrize("off", [-0.015, 0.015])
def test_tones_1_5_percent_off_are_keys(off: float) -> None:  # ITU-T Q.24
    for low, high, name in ((LOW[1], HIGH[1], "5"), (LOW[3], HIGH[2], "#")):
        assert found(pair(low * (1 + off), high * (1 + off))) == name


@pytest.mark.parametrize("twist,name", [(-3.5, "5"), (7.5, "5"), (-12, ""), (14, "")])
def test_twist(twist: float, name: str) -> None:
    assert found(pair(LOW[1], HIGH[1], twist=twist)) == name


def test_40_ms_are_a_key_and_10_ms_are_none() -> None:  # Q.24: accepted, rejected
    assert found(pair(LOW[0], HIGH[0], seconds=0.04)) == "1"
    assert found(pair(LOW[0], HIGH[0], seconds=0.01)) == ""


def test_voices_noise_and_single_tones_are_no_keys() -> None:
    random = np.random.default_rng(1)
    times = np.arange(160000) / 8000
    pitch = 120 + 40 * np.sin(2 * np.pi * 0.7 * times)
    turns = np.cumsum(pitch) / 8000
    voice = sum(np.sin(2 * np.pi * n * turns) / n for n in range(1, 25)) * 3000
    assert found(np.asarray(voice).astype(np.int16)) == ""
    assert found(random.normal(0, 3000, 160000).astype(np.int16)) == ""
    for hertz in (*LOW, *HIGH, 450):
        assert found(sine(hertz, 1.0)) == ""
