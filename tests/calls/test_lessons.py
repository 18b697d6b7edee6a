"""What other contact centres paid for, in transfers: a row of theirs, a test of ours.

Pure, by the call's machine; what a row needs of sockets, Redis or audio is proven where those are.
"""

import pytest

from calls.call import Call, CallState
from calls.call_effects import (
    CallEffect,
    Connect,
    Dequeue,
    FinishAgent,
    HangUpCaller,
    HangUpLeg,
    ReleaseOffer,
)
from calls.call_inputs import (
    AgentOffered,
    Arrived,
    Bridged,
    CallerEnded,
    CompleteAsked,
    LeaseConfirmed,
    PartyAnswered,
    PartyEnded,
    PartyRang,
    PhonesCalled,
    TransferAsked,
)
from calls.hearing import circle
from calls.targets import AgentTarget
from tests.calls.test_transfer import FIRST, POLICE, A, B, talking

COLLEAGUE = TransferAsked(AgentTarget("1002"), "consult")
OFFERED = (AgentOffered("1002", 2, 1), PhonesCalled(2, (B,)))


def finished(effects: list[CallEffect]) -> list[str]:
    return [effect.agent_id for effect in effects if isinstance(effect, FinishAgent)]


def test_attended_transfer_broke_wrap_up() -> None:
    """Asterisk 607, 1006: each agent wraps up once, when his own part is over."""
    call = talking(COLLEAGUE, *OFFERED, PartyAnswered(B), LeaseConfirmed(2), Bridged(B))
    assert finished(call.handle(CompleteAsked(), 5.0)) == ["1001"]
    assert finished(call.handle(CallerEnded(), 60.0)) == ["1002"]


def test_the_old_leg_was_dropped_too_early() -> None:
    """OpenSIPS 3137: who passes a call on stays until the other hears the citizen."""
    call = talking(TransferAsked(POLICE, "blind"))
    for event in (PartyRang(FIRST), PartyAnswered(FIRST)):
        effects = call.handle(event, 2.0)
        assert not any(isinstance(effect, HangUpLeg) for effect in effects)
    assert HangUpLeg(A, "transferred") in call.handle(Bridged(FIRST), 3.0)


def test_the_target_kept_ringing_after_the_caller_had_gone() -> None:
    """dograh 416: one owner holds every leg, so one hang-up ends them all."""
    for target in (POLICE, AgentTarget("1002")):
        call = talking(TransferAsked(target, "blind"), *OFFERED)
        effects = call.handle(CallerEnded(), 2.0)
        rings = FIRST if target is POLICE else B
        assert {effect.leg for effect in effects if isinstance(effect, HangUpLeg)} == {A, rings}


def test_the_hour_after_a_transfer_was_credited_to_the_first_agent() -> None:
    """FreePBX 124: a segment for each participant, with his own times."""
    call = talking(COLLEAGUE, *OFFERED)
    for event in (PartyAnswered(B), LeaseConfirmed(2), Bridged(B)):
        call.handle(event, 10.0)
    call.handle(CompleteAsked(), 20.0)
    call.handle(CallerEnded(), 3620.0)
    first, second = call.segments
    assert (first.agent_id, first.answered_at, first.ended_at) == ("1001", 0.0, 20.0)
    assert (second.agent_id, second.answered_at, second.ended_at) == ("1002", 10.0, 3620.0)


OFFER = (AgentOffered("1001", 1), PhonesCalled(1, (A,)), PartyRang(A), PartyAnswered(A))
"""The first agent's way to a call, moment by moment."""


def test_the_agents_486_dropped_the_caller() -> None:
    """OpenSIPS 2886: a refusal, of the first agent or of a target, never reaches the caller."""
    for status in (486, 480, 600, 603):
        call = Call()
        for event in (Arrived(), *OFFER[:3]):
            call.handle(event, 1.0)
        effects = call.handle(PartyEnded(A, status), 2.0)
        assert not any(isinstance(effect, HangUpCaller) for effect in effects)
        assert call.state is CallState.WAITING
    call = talking(COLLEAGUE, *OFFERED)
    effects = call.handle(PartyEnded(B, 486), 2.0)
    assert not any(isinstance(effect, HangUpCaller) for effect in effects)
    assert (call.state, call.hearing) == (CallState.TALKING, circle("caller", A))


@pytest.mark.parametrize("moments", range(len(OFFER) + 2))
def test_an_agent_rang_after_the_caller_had_gone(moments: int) -> None:
    """FreeSWITCH 1973, 2529: at every moment of the offer the caller's end undoes all of it.

    What was under way and comes later is undone as well.
    """
    way = (*OFFER, LeaseConfirmed(1))
    call = Call()
    for event in (Arrived(), *way[:moments]):
        call.handle(event, 1.0)
    effects = call.handle(CallerEnded(), 2.0)
    assert call.state is CallState.ENDED
    called = moments >= 2  # his phone
    assert (HangUpLeg(A) in effects) is called
    later = [effect for event in way[moments:] for effect in call.handle(event, 3.0)]
    if moments == 1:  # its INVITE was on its way
        assert HangUpLeg(A) in later
    assert not any(isinstance(effect, Connect) for effect in later)
    assert call.hearing == frozenset()
    given_back = [e for e in (*effects, *later) if isinstance(e, Dequeue | ReleaseOffer)]
    assert given_back


def test_an_agent_who_hung_up_before_the_bridge_caused_a_loop() -> None:
    """Asterisk 1557: it is a refusal: he is left alone for a while, and the next one is asked."""
    call = Call()
    call.handle(Arrived(), 0.0)
    for event in (AgentOffered("1001", 1), PhonesCalled(1, (A,)), PartyAnswered(A)):
        call.handle(event, 1.0)
    assert Connect(A, circle("caller", A)) in call.handle(LeaseConfirmed(1), 1.0)
    call.handle(PartyEnded(A), 1.1)
    assert (call.state, call.segments[0].outcome) == (CallState.WAITING, "refused")
    assert call.handle(Bridged(A), 1.2) == []  # the bridge that was under way comes too late


def test_the_target_answers_after_everybody_has_gone() -> None:
    """The late answer is hung up, and nobody is billed for it."""
    call = talking(TransferAsked(POLICE, "consult"), CallerEnded())
    assert call.handle(PartyAnswered(FIRST), 9.0) == [HangUpLeg(FIRST)]
    assert call.segments[-1].outcome == "cancelled"
