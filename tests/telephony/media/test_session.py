"""Symmetric RTP: who is listened to, and where is sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.media.codecs import PCMA
from telephony.media.path import LATCH_PATIENCE, Description
from telephony.media.relay import OutgoingStream
from telephony.media.rtp import RtpPacket, build
from telephony.media.session import RELATCH_GUARD_SECONDS, Session

SDP = ("192.0.2.1", 4000)
NATTED = ("203.0.113.9", 61000)
STRANGER = ("198.51.100.66", 4000)


def session() -> Session:
    return Session(OutgoingStream(ssrc=1, sequence=0, timestamp=0))


def remote(address: tuple[str, int] | None = SDP, *, event: int | None = 101) -> Description:
    accepts = {8: PCMA, **({event: None} if event else {})}
    return Description(address, 8, PCMA, event, accepts, signalled_from=NATTED[0])


def audio(payload_type: int = 8, sequence: int = 1) -> bytes:
    return build(
        RtpPacket(
            payload_type, marker=False, sequence=sequence, timestamp=0, ssrc=5, payload=bytes(160)
        )
    )


@pytest.fixture
def leg() -> Session:
    leg = session()
    leg.set_remote(remote(), 0.0)
    return leg


def test_until_heard_the_peer_is_where_its_sdp_says(leg: Session) -> None:
    assert (leg.source, leg.destination) == (None, SDP)


def test_the_first_valid_packet_latches(leg: Session) -> None:
    assert leg.receive(audio(), NATTED, 1.0) is not None
    assert (leg.source, leg.destination) == (NATTED, NATTED)
    assert leg.last_packet == 1.0


def test_who_sends_first_from_elsewhere_is_a_stranger(leg: Session) -> None:
    assert leg.receive(audio(), STRANGER, 1.0) is None
    assert leg.receive(audio(sequence=2), STRANGER, LATCH_PATIENCE - 0.01) is None
    assert (leg.source, leg.destination, leg.strangers) == (None, SDP, 2)
    assert leg.receive(audio(sequence=3), NATTED, LATCH_PATIENCE) is not None
    assert leg.source == NATTED


@pytest.mark.parametrize("peer", [SDP, NATTED, (SDP[0], 5555)])
def test_a_peer_that_comes_late_takes_its_place_back(leg: Session, peer: tuple[str, int]) -> None:
    assert leg.receive(audio(), STRANGER, LATCH_PATIENCE) is not None
    assert leg.source == STRANGER
    assert leg.receive(audio(payload_type=96), peer, 3.1) is None  # not by anything at all
    assert leg.source == STRANGER
    assert leg.receive(audio(), peer, 3.2) is not None
    assert (leg.source, leg.destination) == (peer, peer)
    assert leg.receive(audio(sequence=2), STRANGER, 99.0) is None
    assert leg.strangers == 1


def test_only_the_latched_source_changes_its_ssrc(leg: Session) -> None:
    leg.receive(audio(), NATTED, 1.0)
    other = build(RtpPacket(8, marker=False, sequence=9, timestamp=0, ssrc=66, payload=b"x"))
    assert leg.receive(other, STRANGER, 99.0) is None
    assert leg.receive(other, NATTED, 99.0) is not None


HOSTS = [SDP, NATTED, STRANGER, (SDP[0], 7000), (NATTED[0], 7000), (STRANGER[0], 7000)]


@given(st.lists(st.tuples(st.sampled_from(HOSTS), st.floats(0, 0.5)), max_size=40))
def test_whoever_speaks_when_a_stranger_never_hears_a_peer_that_speaks(
    packets: list[tuple[tuple[str, int], float]],
) -> None:
    """Once the peer was heard, or while its time has not run out, nobody else is heard."""
    leg = session()
    leg.set_remote(remote(), 0.0)
    now, heard = 0.0, False
    for number, (source, pause) in enumerate(packets):
        now += pause
        taken = leg.receive(audio(sequence=number), source, now) is not None
        named = source[0] in {SDP[0], NATTED[0]}
        if named and not heard:
            assert taken
        heard = heard or (named and taken)
        if heard or now < LATCH_PATIENCE:
            assert not (taken and source[0] == STRANGER[0])
            assert leg.destination is not None
            assert leg.destination[0] != STRANGER[0]


def test_a_stranger_after_that_is_dropped_and_counted(leg: Session) -> None:
    leg.receive(audio(), NATTED, 1.0)
    assert leg.receive(audio(), STRANGER, 1.1) is None
    assert leg.receive(audio(), (NATTED[0], NATTED[1] + 2), 1.2) is None
    assert (leg.source, leg.destination, leg.strangers) == (NATTED, NATTED, 2)
    assert leg.receive(audio(sequence=2), NATTED, 1.3) is not None


@pytest.mark.parametrize(
    "data,counter",
    [
        (b"\x00" + audio()[1:], "malformed"),
        (b"stun or worse", "malformed"),
        (audio(0), "unexpected"),
        (audio(72), "unexpected"),  # RTCP on the wrong port looks like payload type 72…76
    ],
)
def test_nothing_else_latches(leg: Session, data: bytes, counter: str) -> None:
    assert leg.receive(data, NATTED, 1.0) is None
    assert (leg.source, leg.destination) == (None, SDP)
    assert getattr(leg, counter) == 1


def test_before_the_sdp_nothing_is_expected() -> None:
    leg = session()
    assert leg.receive(audio(), SDP, 1.0) is None
    assert (leg.source, leg.unexpected) == (None, 1)


def test_a_key_press_latches_too(leg: Session) -> None:
    packet = leg.receive(audio(101), NATTED, 1.0)
    assert packet is not None
    assert leg.codec_of(packet) is None
    assert leg.source == NATTED


def test_the_same_address_again_keeps_the_latch(leg: Session) -> None:
    leg.receive(audio(), NATTED, 1.0)
    leg.set_remote(remote(event=None), 2.0)
    assert (leg.source, leg.destination) == (NATTED, NATTED)


def test_a_new_address_opens_the_latch(leg: Session) -> None:
    leg.receive(audio(), NATTED, 1.0)
    moved = ("192.0.2.50", 9000)
    leg.set_remote(remote(moved), 2.0)
    assert (leg.source, leg.destination) == (None, moved)
    assert leg.receive(audio(sequence=2), moved, 2.1) is not None
    assert leg.source == moved


def test_packets_under_way_from_the_old_address_do_not_latch_again(leg: Session) -> None:
    leg.receive(audio(), NATTED, 1.0)
    moved = ("192.0.2.50", 9000)
    leg.set_remote(remote(moved), 2.0)
    assert leg.receive(audio(sequence=2), NATTED, 2.01) is None
    assert leg.receive(audio(sequence=3), moved, 2.02) is not None
    assert (leg.source, leg.strangers) == (moved, 1)


def test_behind_a_nat_the_old_source_is_taken_back_in_the_end(leg: Session) -> None:
    leg.receive(audio(), NATTED, 1.0)
    leg.set_remote(remote(("192.0.2.50", 9000)), 2.0)
    late = 2.0 + RELATCH_GUARD_SECONDS
    assert leg.receive(audio(sequence=2), NATTED, late) is not None
    assert leg.destination == NATTED


def test_audio_that_overtakes_its_description_is_heard_before_and_after(leg: Session) -> None:
    moved = ("192.0.2.50", 9000)
    overtook = LATCH_PATIENCE + 1.0
    assert leg.receive(audio(), moved, overtook) is not None  # nobody else was heard yet
    leg.set_remote(remote(moved), overtook + 0.01)
    assert leg.receive(audio(sequence=2), moved, overtook + 0.02) is not None
    assert (leg.source, leg.destination, leg.strangers) == (moved, moved, 0)


def test_a_peer_on_hold_is_heard_but_not_sent_to(leg: Session) -> None:
    leg.set_remote(remote(None), 1.0)
    assert leg.receive(audio(), NATTED, 2.0) is not None
    assert (leg.source, leg.destination) == (NATTED, None)


def test_a_peer_back_from_hold_is_sent_to_and_heard_at_once(leg: Session) -> None:
    leg.receive(audio(), NATTED, 1.0)
    leg.set_remote(remote(None), 2.0)
    assert leg.receive(audio(sequence=2), NATTED, 2.1) is not None
    assert (leg.source, leg.destination) == (NATTED, None)
    assert leg.receive(audio(sequence=2), STRANGER, 2.2) is None
    leg.set_remote(remote(), 2.3)
    assert leg.destination == NATTED
    assert leg.receive(audio(sequence=3), NATTED, 2.4) is not None


def test_a_peer_that_moves_while_on_hold_is_expected_there(leg: Session) -> None:
    leg.receive(audio(), NATTED, 1.0)
    leg.set_remote(remote(None), 2.0)
    moved = ("192.0.2.50", 9000)
    leg.set_remote(remote(moved), 3.0)
    assert (leg.source, leg.destination) == (None, moved)


def test_an_address_found_by_ice_is_the_peers(leg: Session) -> None:
    leg.latch(NATTED)
    assert (leg.source, leg.destination) == (NATTED, NATTED)
    assert leg.receive(audio(), STRANGER, 1.0) is None
