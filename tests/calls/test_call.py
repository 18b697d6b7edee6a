"""The call machine: each way a call can go, as plain equality of effects."""

import pytest

from calls.agent_search import RETRY_SECONDS
from calls.call import Call, CallState, outcome_of_status
from calls.call_effects import (
    CallPhones,
    ConfirmLease,
    Connect,
    Dequeue,
    Enqueue,
    Finish,
    FinishAgent,
    HangUpCaller,
    HangUpLeg,
    MarkRinging,
    ReleaseOffer,
    RingCaller,
)
from calls.call_inputs import (
    AgentOffered,
    Arrived,
    Bridged,
    CallerEnded,
    CallInput,
    DeadlinePassed,
    HangUpAsked,
    LeaseConfirmed,
    LeaseLost,
    MediaFailed,
    OfferFailed,
    PartyAnswered,
    PartyEnded,
    PartyRang,
    PhonesCalled,
)
from calls.call_terms import EndedBy, OfferOutcome
from calls.hearing import circle
from calls.search import CONNECT_SECONDS

RINGING: tuple[CallInput, ...] = (
    Arrived(),
    AgentOffered("1001", 1),
    PhonesCalled(1, ("a",)),
    PartyRang("a"),
)
CONNECTING: tuple[CallInput, ...] = (*RINGING, PartyAnswered("a"))
TALKING: tuple[CallInput, ...] = (*CONNECTING, LeaseConfirmed(1), Bridged("a"))


def call_after(*events: CallInput, now: float = 0.0) -> Call:
    call = Call(no_answer_seconds=15)
    for event in events:
        call.handle(event, now)
    return call


def test_a_call_rings_and_waits() -> None:
    call = Call()
    assert call.handle(Arrived(), 5.0) == [RingCaller(), Enqueue()]
    assert (call.state, call.arrived_at, call.deadline) == (CallState.WAITING, 5.0, None)


def test_the_whole_way() -> None:
    call = call_after(Arrived())
    assert call.handle(AgentOffered("1001", 1), 1.0) == [CallPhones("1001", 1)]
    assert call.deadline == 16.0
    assert call.handle(PhonesCalled(1, ("a", "b")), 1.0) == []
    assert call.handle(PartyRang("b"), 1.1) == [MarkRinging(1)]
    assert call.handle(PartyRang("a"), 1.2) == []
    assert call.handle(PartyAnswered("b"), 3.0) == [
        HangUpLeg("a", "answered elsewhere"),
        ConfirmLease(1),
    ]
    assert call.handle(LeaseConfirmed(1), 3.0) == [Connect("b", circle("caller", "b"))]
    assert call.handle(Bridged("b"), 3.1) == []
    assert (call.state, call.answered_at, call.agent_id) == (CallState.TALKING, 3.1, "1001")
    assert call.handle(CallerEnded(), 9.0) == [
        HangUpLeg("b"),
        FinishAgent("1001", 1),
        HangUpCaller(),
        Finish(),
    ]
    assert (call.outcome, call.ended_by, call.ended_at) == ("answered", "citizen", 9.0)
    segment = call.segments[0]
    assert (segment.offered_at, segment.answered_at, segment.ended_at) == (1.0, 3.1, 9.0)
    assert segment.outcome == "answered"
    assert call.agent_id == "1001"


def test_the_agent_hangs_up() -> None:
    call = call_after(*TALKING)
    assert call.handle(PartyEnded("a"), 5.0) == [
        FinishAgent("1001", 1),
        HangUpCaller(),
        Finish(),
    ]
    assert (call.outcome, call.ended_by) == ("answered", "agent")


@pytest.mark.parametrize(
    "status,outcome",
    [
        (486, "busy"),
        (600, "busy"),
        (603, "refused"),
        (480, "refused"),
        (408, "missed"),
        (404, "unreachable"),
        (503, "unreachable"),
        (None, "unreachable"),
    ],
)
def test_the_agents_refusal_never_reaches_the_citizen(
    status: int | None, outcome: OfferOutcome
) -> None:
    call = call_after(*RINGING)
    assert call.handle(PartyEnded("a", status), 2.0) == [
        ReleaseOffer("1001", 1, outcome),
        Enqueue(),
    ]
    assert call.state is CallState.WAITING
    assert call.segments[0].outcome == outcome
    assert outcome_of_status(status) == outcome


def test_one_phones_refusal_leaves_the_other_ringing() -> None:
    call = call_after(Arrived(), AgentOffered("1001", 1), PhonesCalled(1, ("a", "b")))
    assert call.handle(PartyEnded("a", 486), 1.0) == []
    assert call.handle(PartyEnded("b", None), 2.0) == [
        ReleaseOffer("1001", 1, "busy"),
        Enqueue(),
    ]


def test_no_answer_goes_to_the_next_agent() -> None:
    call = call_after(*RINGING)
    assert call.handle(DeadlinePassed(), 14.9) == []
    assert call.handle(DeadlinePassed(), 15.0) == [
        HangUpLeg("a"),
        ReleaseOffer("1001", 1, "missed"),
        Enqueue(),
    ]
    assert call.handle(AgentOffered("1002", 2), 15.1) == [CallPhones("1002", 2)]
    # The first phone is answered in the moment of its CANCEL: it must not get the citizen.
    assert call.handle(PartyAnswered("a"), 15.2) == [HangUpLeg("a")]
    assert [segment.agent_id for segment in call.segments] == ["1001", "1002"]


def test_an_agent_without_a_phone_is_skipped() -> None:
    call = call_after(Arrived(), AgentOffered("1001", 1))
    assert call.handle(OfferFailed(1, "no_phone"), 0.0) == [
        ReleaseOffer("1001", 1, "unreachable"),
        Enqueue(),
    ]


def test_without_media_the_call_pauses_before_it_is_offered_again() -> None:
    call = call_after(Arrived(), AgentOffered("1001", 1))
    assert call.handle(OfferFailed(1, "no_media"), 1.0) == [
        ReleaseOffer("1001", 1, "cancelled"),
        Dequeue(),
    ]
    assert call.deadline == 1.5
    # made before the floor took the call out: the agent is not ours any more
    assert call.handle(AgentOffered("1002", 2), 1.1) == [ReleaseOffer("1002", 2, "cancelled")]
    assert call.handle(DeadlinePassed(), 1.5) == [Enqueue()]


@pytest.mark.parametrize(
    "before,undo",
    [
        ((Arrived(),), []),
        ((Arrived(), AgentOffered("1001", 1)), [ReleaseOffer("1001", 1, "cancelled")]),
        (RINGING, [HangUpLeg("a"), ReleaseOffer("1001", 1, "cancelled")]),
        (
            CONNECTING,
            [HangUpLeg("a"), ReleaseOffer("1001", 1, "cancelled"), FinishAgent("1001", 1)],
        ),
    ],
)
def test_the_citizen_hangs_up_before_the_answer(
    before: tuple[CallInput, ...], undo: list[object]
) -> None:
    call = call_after(*before)
    assert call.handle(CallerEnded(), 2.0) == [*undo, Dequeue(), HangUpCaller(), Finish()]
    assert (call.outcome, call.ended_by, call.deadline) == ("abandoned", "citizen", None)


def test_what_comes_back_late_is_undone() -> None:
    call = call_after(Arrived(), AgentOffered("1001", 1), CallerEnded())
    assert call.handle(PhonesCalled(1, ("a",)), 3.0) == [HangUpLeg("a")]
    assert call.handle(PartyAnswered("a"), 3.0) == [HangUpLeg("a")]
    assert call.handle(LeaseConfirmed(1), 3.0) == []
    assert call.handle(AgentOffered("1002", 2), 3.0) == [ReleaseOffer("1002", 2, "cancelled")]
    assert call.handle(CallerEnded(), 3.0) == []


def test_an_agent_who_hangs_up_before_the_bridge_is_a_refusal() -> None:
    call = call_after(*CONNECTING)
    assert call.handle(PartyEnded("a"), 2.0) == [
        ReleaseOffer("1001", 1, "refused"),
        FinishAgent("1001", 1),
        Enqueue(),
    ]
    assert call.state is CallState.WAITING


def test_a_lost_lease_frees_the_phone_and_the_call_waits_again() -> None:
    call = call_after(*CONNECTING)
    assert call.handle(LeaseLost(1), 2.0) == [
        HangUpLeg("a"),
        ReleaseOffer("1001", 1, "cancelled"),
        FinishAgent("1001", 1),
        Enqueue(),
    ]


def test_a_newer_offer_replaces_one_whose_lease_ran_out() -> None:
    call = call_after(*RINGING)
    assert call.handle(AgentOffered("1002", 2), 2.0) == [
        HangUpLeg("a"),
        ReleaseOffer("1001", 1, "cancelled"),
        CallPhones("1002", 2),
    ]
    assert call.handle(AgentOffered("1001", 1), 2.0) == []


def test_a_dead_media_process_ends_a_talking_call_as_failed() -> None:
    call = call_after(*TALKING)
    assert call.handle(MediaFailed(), 4.0) == [
        HangUpLeg("a"),
        FinishAgent("1001", 1),
        HangUpCaller(),
        Finish(),
    ]
    assert (call.outcome, call.ended_by) == ("failed", "system")


@pytest.mark.parametrize("before,undo", [(RINGING, []), (CONNECTING, [FinishAgent("1001", 1)])])
def test_a_dead_media_process_does_not_end_a_call_that_is_not_answered(
    before: tuple[CallInput, ...], undo: list[object]
) -> None:
    call = call_after(*before)
    assert call.handle(MediaFailed(), 4.0) == [
        HangUpLeg("a"),
        ReleaseOffer("1001", 1, "cancelled"),
        *undo,
        Dequeue(),
    ]
    assert call.state is CallState.WAITING


@pytest.mark.parametrize("by", ["agent", "system"])
def test_hang_up_asked(by: EndedBy) -> None:
    call = call_after(*TALKING)
    call.handle(HangUpAsked(by), 4.0)
    assert (call.outcome, call.ended_by) == ("answered", by)


def test_our_own_mistakes_raise_and_change_nothing() -> None:
    call = Call()
    with pytest.raises(ValueError, match="CallerEnded"):
        call.handle(CallerEnded(), 0.0)
    assert call.state is CallState.NEW
    call.handle(Arrived(), 0.0)
    with pytest.raises(ValueError, match="Arrived"):
        call.handle(Arrived(), 0.0)


@pytest.mark.parametrize("confirmed", [False, True])
def test_a_connection_that_never_comes_about_goes_back_to_the_queue(confirmed: bool) -> None:  # noqa: FBT001
    call = call_after(*CONNECTING, *([LeaseConfirmed(1)] if confirmed else []))
    assert call.deadline == CONNECT_SECONDS
    effects = call.handle(DeadlinePassed(), CONNECT_SECONDS)
    assert effects == [
        HangUpLeg("a"),
        ReleaseOffer("1001", 1, "cancelled"),
        FinishAgent("1001", 1),
        Dequeue(),
    ]
    assert (call.state, call.connecting("a")) == (CallState.WAITING, False)
    assert call.deadline == CONNECT_SECONDS + RETRY_SECONDS
