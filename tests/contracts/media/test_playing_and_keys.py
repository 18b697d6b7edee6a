"""What is played, and keys in both directions."""

from collections.abc import Sequence

import numpy as np
import pytest

from telephony.media.dtmf import KEYS, KeyEvent, build_event, parse_event
from telephony.media.path import KeyPressed, PlayEnded, Watch
from telephony.media.rtp import RtpPacket, build
from telephony.media.tones import key, silence, tone, whole_frames
from tests.contracts.media.lab import Lab, Matrix, Phone, one_stream
from tests.support.tones import Pcm, dominant, level_dbfs, sine


def clip(hertz: float, seconds: float) -> Pcm:
    return whole_frames(sine(hertz, seconds, 3000))


def test_clips_are_played_one_after_another_and_the_end_is_told(lab: Lab) -> None:
    phone = lab.phone(400)
    player = lab.path.play([clip(600, 0.4), whole_frames(silence(0.2)), clip(900, 0.4)])
    lab.hear({phone: {player: 1.0}})
    begin = lab.run(1.2)
    pcm = phone.audio(begin, lab.now).pcm
    first = int(np.flatnonzero(pcm)[0])
    assert dominant(pcm[first : first + 3000]) == pytest.approx(600, abs=3)
    assert level_dbfs(pcm[first + 3300 : first + 4700]) < -65  # A-law has no zero
    assert dominant(pcm[first + 4900 : first + 7900]) == pytest.approx(900, abs=3)
    assert [event for event in lab.events if isinstance(event, PlayEnded)] == [PlayEnded(player)]
    one_stream(phone.audio(begin, lab.now).packets)


def test_a_loop_goes_round_without_a_seam(lab: Lab) -> None:
    phone = lab.phone(400)
    player = lab.path.play([clip(600, 0.5)], loop=True)  # 300 whole periods
    lab.hear({phone: {player: 1.0}})
    begin = lab.run(3.0)
    heard = phone.audio(begin + 0.1, lab.now)
    assert heard.gain_of(600) == pytest.approx(0, abs=0.5)
    assert heard.click([600]) < -31
    lab.path.stop_play(player)
    stopped = lab.run(0.5)
    assert not phone.audio(stopped + 0.06, lab.now).packets
    assert not any(isinstance(event, PlayEnded) for event in lab.events)


def test_a_player_may_be_heard_by_many_and_beside_others(lab: Lab) -> None:
    phones = [lab.phone(hertz) for hertz in (400, 700, 1100)]
    player = lab.path.play([clip(2000, 1.0)], loop=True)
    rows: dict[Phone, dict[Phone | int, float]] = {phone: {player: 0.5} for phone in phones}
    for phone, row in rows.items():
        for other in phones:
            if other is not phone:
                row[other] = 1.0
    lab.hear(rows)
    begin = lab.run(0.8)
    for phone in phones:
        heard = phone.audio(begin + 0.4, lab.now)
        assert heard.gain_of(2000) == pytest.approx(-6, abs=1)
        for other in phones:
            if other is not phone:
                assert heard.gain_of(other.hertz) == pytest.approx(0, abs=1)


def test_a_player_that_ended_or_is_stopped_twice_disturbs_nobody(lab: Lab) -> None:
    phone, other = lab.phone(400), lab.phone(700)
    player = lab.path.play([clip(600, 0.04)])
    lab.run(0.2)
    assert PlayEnded(player) in lab.events
    row: dict[Phone | int, float] = {player: 1.0, other: 1.0}  # the engine may not know yet
    lab.hear({phone: row})
    lab.path.stop_play(player)
    lab.path.stop_play(player)
    begin = lab.run(0.5)
    assert phone.audio(begin + 0.2, lab.now).gain_of(700) == pytest.approx(0, abs=1)


@pytest.mark.parametrize("clips", [[], [np.zeros(0, np.int16)], [np.zeros(100, np.int16)]])
def test_what_cannot_be_played_is_refused(lab: Lab, clips: list[Pcm]) -> None:
    with pytest.raises(ValueError, match=r"play|frames"):
        lab.path.play(clips)


# -- keys ------------------------------------------------------------------------------------------


def press(phone: Phone, name: str, *, keep: Sequence[int] = range(11), stamp: int = 50000) -> None:
    """Press a key for 160 ms at once: eight packets and two more ends, of which ``keep`` arrive."""
    for number in range(10):
        duration = min(number + 1, 8) * 160
        event = KeyEvent(KEYS.index(name), number >= 7, duration)
        packet = RtpPacket(
            phone.keys or 101, number == 0, phone.sequence, stamp, phone.ssrc, build_event(event)
        )
        phone.sequence = (phone.sequence + 1) & 0xFFFF
        if number in keep:
            phone.send(build(packet))


def pressed(lab: Lab, phone: Phone) -> str:
    return "".join(
        event.key
        for event in lab.events
        if isinstance(event, KeyPressed) and event.session == phone.session
    )


@pytest.mark.parametrize(
    "keep", [range(10), [0], [9], [3, 8], [0, 1, 2], [7, 8, 9]], ids=lambda keep: str(list(keep))
)
def test_a_key_is_reported_once_whatever_is_lost(lab: Lab, keep: Sequence[int]) -> None:
    phone, other = lab.phone(400), lab.phone(700)
    lab.bridge(phone, other)
    lab.run(0.1)
    press(phone, "5", keep=keep, stamp=50000)
    lab.run(0.4)
    press(phone, "5", keep=keep, stamp=60000)
    press(phone, "#", keep=keep, stamp=70000)
    lab.run(0.4)
    assert pressed(lab, phone) == "55#"
    assert pressed(lab, other) == ""


def test_keys_go_through_a_relay_under_the_listeners_number(lab: Lab) -> None:
    phone, other = lab.phone(400), lab.phone(700, keys=96)
    lab.bridge(phone, other)
    lab.run(0.1)
    press(phone, "7")
    lab.run(0.1)
    events = [packet for _, packet in other.heard if packet.payload_type == 96]
    assert len(events) == 10
    assert {packet.payload[0] for packet in events} == {7}
    assert len({packet.timestamp for packet in events}) == 1


def test_keys_reach_every_listener_of_a_mix_once(lab: Lab) -> None:
    phones = [lab.phone(400), lab.phone(700, keys=96), lab.phone(1100, keys=None), lab.phone(1600)]
    everybody: Matrix = {p: {q: 1.0 for q in phones if q is not p} for p in phones}
    lab.hear(everybody)
    lab.run(0.3)
    press(phones[0], "9")
    begin = lab.run(0.8)
    for listener in phones[1:]:
        events = [
            parse_event(packet.payload)
            for _, packet in listener.heard
            if packet.payload_type == listener.keys
        ]
        if listener.keys is None:
            assert not events
            continue
        assert [event.end for event in events if event] == [False] * 7 + [True] * 3
        assert {event.code for event in events if event} == {9}
        stream = [packet for at, packet in listener.heard if at >= begin - 0.1]
        sequences = [packet.sequence for packet in stream]
        assert sequences == [(sequences[0] + n) & 0xFFFF for n in range(len(sequences))]
    assert pressed(lab, phones[0]) == "9"
    assert not [packet for _, packet in phones[0].heard if packet.payload_type == 101]


@pytest.mark.parametrize("mixed", [False, True])
def test_keys_of_our_own_fit_into_the_stream(lab: Lab, mixed: bool) -> None:  # noqa: FBT001 - a parameter
    phone, other, third = lab.phone(400), lab.phone(700), lab.phone(1100)
    row = {other: 1.0, third: 1.0} if mixed else {other: 1.0}
    lab.hear({phone: row})
    lab.run(0.3)
    lab.path.send_keys(phone.session, "1#", seconds=0.1)
    begin = lab.run(1.0)
    packets = [packet for at, packet in phone.heard if at >= begin - 0.1]
    events = [packet for packet in packets if packet.payload_type == 101]
    codes = [parse_event(packet.payload) for packet in events]
    assert [event.code for event in codes if event] == [1] * 7 + [11] * 7
    assert [event.duration for event in codes if event][:7] == [160, 320, 480, 640, 800, 800, 800]
    assert [packet.marker for packet in events].count(True) == 2
    assert len({packet.timestamp for packet in events}) == 2
    sequences = [packet.sequence for packet in packets]
    assert sequences == [(sequences[0] + n) & 0xFFFF for n in range(len(sequences))]
    after = phone.audio(lab.now - 0.3, lab.now)
    assert after.gain_of(700) == pytest.approx(0, abs=1)


def test_keys_for_a_peer_that_takes_none_are_dropped(lab: Lab) -> None:
    phone, other = lab.phone(400, keys=None), lab.phone(700)
    lab.bridge(phone, other)
    lab.path.send_keys(phone.session, "1")
    begin = lab.run(0.5)
    assert phone.audio(begin, lab.now).gap == 0


def test_keys_in_the_audio_are_found_where_they_are_looked_for(lab: Lab) -> None:
    phone, other = lab.phone(400), lab.phone(700)
    lab.bridge(phone, other)
    lab.path.watch(phone.session, Watch(inband_keys=True))
    spoken = np.concatenate([np.zeros(1600, np.int16)] + [key(name) for name in "12345*"])
    pieces = iter(np.split(spoken, range(160, len(spoken), 160)))
    phone.next_pcm = lambda: next(pieces, np.zeros(160, np.int16))  # type: ignore[method-assign]
    lab.run(len(spoken) / 8000 + 0.3)
    assert pressed(lab, phone) == "12345*"


def test_speech_and_network_tones_are_no_keys(lab: Lab) -> None:
    phone = lab.phone(450)
    lab.path.watch(phone.session, Watch(inband_keys=True))
    lab.run(2.0)
    rest = iter(np.split(np.tile(tone("beep"), 20), range(160, 38400, 160)))
    phone.next_pcm = lambda: next(rest, np.zeros(160, np.int16))  # type: ignore[method-assign]
    lab.run(2.0)
    assert pressed(lab, phone) == ""
