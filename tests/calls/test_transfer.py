"""Transfers by the call machine: each stage × each way it can end, as equality of effects."""

import pytest

from calls.call import Call, CallState
from calls.call_effects import (
    CallEffect,
    CallNumber,
    CallPhones,
    Connect,
    Dequeue,
    Enqueue,
    Finish,
    FinishAgent,
    HandOver,
    HangUpCaller,
    HangUpLeg,
    Hear,
    ReleaseOffer,
    RingCaller,
    RingLeg,
    TransferStep,
)
from calls.call_inputs import (
    AgentOffered,
    Arrived,
    Bridged,
    CallerEnded,
    CallInput,
    CancelAsked,
    CompleteAsked,
    DeadlinePassed,
    LeaseConfirmed,
    MediaFailed,
    MergeAsked,
    PartyAnswered,
    PartyEnded,
    PartyRang,
    PhoneReplaced,
    PhonesCalled,
    SwapAsked,
    TransferAsked,
)
from calls.call_terms import TransferMode
from calls.errors import TransferError
from calls.hearing import NOBODY, Hearing, NeedsMixer, as_pairs, circle
from calls.party import Summons
from calls.search import CONNECT_SECONDS
from calls.targets import AgentTarget, NumberTarget, QueueTarget, Target, name_of

TALKING: tuple[CallInput, ...] = (
    Arrived(),
    AgentOffered("1001", 1),
    PhonesCalled(1, ("agent.1.0",)),
    PartyAnswered("agent.1.0"),
    LeaseConfirmed(1),
    Bridged("agent.1.0"),
)
A, B = "agent.1.0", "agent.2.0"
POLICE = NumberTarget(("110", "1101"), "110", asserts=True)
FIRST, SECOND = "p1-1.0", "p1-2.0"
WITH_A, WITH_TARGET, CONSULTING = circle("caller", A), circle("caller", FIRST), circle(A, FIRST)


def talking(*events: CallInput) -> Call:
    call = Call(no_answer_seconds=15, partner_seconds=30)
    for event in (*TALKING, *events):
        call.handle(event, 0.0)
    return call


def step(
    stage: str,
    mode: str = "blind",
    *,
    target: Target = POLICE,
    outcome: str | None = None,
    status: int = 200,
) -> TransferStep:
    return TransferStep(stage, target, mode, "1001", outcome, status)  # type: ignore[arg-type]


def asked(mode: TransferMode, target: Target = POLICE, via: str | None = None) -> TransferAsked:
    return TransferAsked(target, mode, via)


def steps(effects: list[CallEffect]) -> list[str]:
    return [effect.stage for effect in effects if isinstance(effect, TransferStep)]


# Blind: the citizen stays with the agent until the target answers


def test_a_blind_transfer() -> None:
    call = talking()
    assert call.handle(asked("blind"), 1.0) == [
        step("started", status=100),
        CallNumber(FIRST, "110", asserts=True),
    ]
    assert call.handle(PartyRang(FIRST), 2.0) == [step("ringing", status=180)]
    assert call.handle(PartyAnswered(FIRST), 3.0) == [Connect(FIRST, WITH_TARGET)]
    agent = call.holder
    effects = call.handle(Bridged(FIRST), 3.0)
    assert effects == [
        step("completed"),
        HandOver(agent, call.holder),
        HangUpLeg(A, "transferred"),
        FinishAgent("1001", 1),
    ]
    assert call.holder is not None
    assert (call.holder.leg, call.agent_id, call.state) == (FIRST, None, CallState.TALKING)
    assert call.handle(PartyEnded(A), 3.1) == []
    assert call.handle(PartyEnded(FIRST), 9.0) == [HangUpCaller(), Finish()]
    assert (call.ended_by, call.outcome, call.agent_id) == ("partner", "answered", "1001")
    assert [(part.agent_id, part.number) for part in call.segments] == [
        ("1001", None),
        (None, "110"),
    ]
    assert [part.summons for part in call.segments] == [Summons(), Summons("blind", "1001")]
    assert [part.outcome for part in call.segments] == ["transferred", "answered"]


@pytest.mark.parametrize(
    "end, outcome, status",
    [
        (PartyEnded(SECOND, 486), "busy", 486),
        (PartyEnded(SECOND, 603), "refused", 603),
        (PartyEnded(SECOND, None), "unreachable", 503),
        (DeadlinePassed(), "missed", 480),
    ],
)
@pytest.mark.parametrize("mode", ["blind", "consult"])
def test_a_target_that_does_not_answer_leaves_the_citizen_with_the_agent(
    mode: TransferMode, end: CallInput, outcome: str, status: int
) -> None:
    call = talking(asked(mode))
    assert call.handle(PartyEnded(FIRST, 486), 1.0) == [CallNumber(SECOND, "1101", asserts=True)]
    until = call.deadline
    assert until == 31.0
    effects = call.handle(end, 31.0)
    assert step("failed", mode, outcome=outcome, status=status) in effects
    assert (Hear(WITH_A) in effects) is (mode == "consult")
    assert (call.state.value, call.transfer_stage, call.deadline) == ("talking", None, None)
    assert not any(isinstance(effect, HangUpLeg) and effect.leg == A for effect in effects)


def test_an_agent_who_goes_before_the_target_answers() -> None:
    call = talking(asked("blind"))
    agent = call.holder
    assert call.handle(PartyEnded(A), 1.0) == [
        FinishAgent("1001", 1),
        HandOver(agent, None),
        Hear(NOBODY),
    ]
    assert call.state is CallState.TALKING
    assert call.handle(PartyAnswered(FIRST), 3.0) == [Connect(FIRST, WITH_TARGET)]
    assert steps(call.handle(Bridged(FIRST), 3.0)) == ["completed"]


def test_when_nobody_answers_and_the_agent_has_gone_the_citizen_is_next_in_the_queue() -> None:
    call = talking(asked("blind"), PartyEnded(A), PartyEnded(FIRST, 486))
    assert call.handle(PartyEnded(SECOND, 486), 5.0) == [
        step("failed", outcome="busy", status=486),
        Enqueue(seat=2, priority=10),
    ]
    assert call.state is CallState.WAITING
    assert call.handle(AgentOffered("1002", 2, seat=2), 6.0) == [CallPhones("1002", 2)]
    call.handle(PhonesCalled(2, (B,)), 6.0)
    call.handle(PartyAnswered(B), 7.0)
    assert call.handle(LeaseConfirmed(2), 7.0) == [Connect(B, circle("caller", B))]
    assert call.handle(Bridged(B), 7.0) == [HandOver(None, call.holder)]
    assert (call.agent_id, call.segments[-1].summons.how) == ("1002", "requeued")


# Consultation


def consulting(via: str | None = None) -> Call:
    call = talking(asked("consult", via=via), PartyRang(FIRST), PartyAnswered(FIRST))
    call.handle(Bridged(FIRST), 2.0)
    assert call.transfer_stage == "joined"
    return call


def test_a_consultation_begins_with_the_citizen_on_hold() -> None:
    call = talking()
    assert call.handle(asked("consult"), 1.0) == [
        step("started", "consult", status=100),
        CallNumber(FIRST, "110", asserts=True),
        Hear(NOBODY),
    ]
    assert call.handle(PartyAnswered(FIRST), 2.0) == [Connect(FIRST, CONSULTING)]
    assert call.handle(Bridged(FIRST), 2.0) == [step("joined", "consult")]
    assert not call.caller_hears(A)


def test_completed() -> None:
    call = consulting()
    before, target = call.holder, call.consulted
    assert call.handle(CompleteAsked(), 5.0) == [
        step("completed", "consult"),
        HandOver(before, target),
        HangUpLeg(A, "transferred"),
        FinishAgent("1001", 1),
        Hear(WITH_TARGET),
    ]


def test_completed_before_the_answer_it_becomes_a_blind_one() -> None:
    call = talking(asked("consult"))
    assert call.handle(CompleteAsked(), 1.0) == [Hear(WITH_A)]
    assert call.handle(PartyAnswered(FIRST), 2.0) == [Connect(FIRST, WITH_TARGET)]
    assert steps(call.handle(Bridged(FIRST), 2.0)) == ["completed"]


def test_cancelled() -> None:
    call = consulting()
    assert call.handle(CancelAsked(), 5.0) == [
        HangUpLeg(FIRST),
        step("cancelled", "consult", status=487),
        Hear(WITH_A),
    ]
    assert call.segments[-1].outcome == "consulted"
    assert call.handle(asked("blind"), 6.0)[0] == step("started", status=100)


def test_cancelled_while_it_rings() -> None:
    call = talking(asked("consult"), PartyRang(FIRST))
    assert call.handle(CancelAsked(), 5.0) == [
        HangUpLeg(FIRST),
        step("cancelled", "consult", status=487),
        Hear(WITH_A),
    ]
    assert call.handle(PartyAnswered(FIRST), 5.1) == [HangUpLeg(FIRST)]


def test_swapped_and_back() -> None:
    call = consulting()
    assert call.handle(SwapAsked(), 5.0) == [Hear(WITH_A)]
    assert call.caller_hears(A)
    assert call.handle(SwapAsked(), 6.0) == [Hear(CONSULTING)]


def test_all_three_and_out_again() -> None:
    call = consulting()
    three = circle("caller", A, FIRST)
    assert call.handle(MergeAsked(), 5.0) == [step("merged", "consult"), Hear(three)]
    assert call.handle(MergeAsked(), 5.1) == []
    assert (call.transfer_stage, call.caller_hears(A)) == ("merged", True)
    assert call.handle(SwapAsked(), 6.0) == [Hear(CONSULTING)]
    call.handle(MergeAsked(), 7.0)
    assert call.handle(CancelAsked(), 8.0)[-1] == Hear(WITH_A)


@pytest.mark.parametrize(
    "leaves, after",
    [(CompleteAsked(), WITH_TARGET), (PartyEnded(A), WITH_TARGET), (PartyEnded(FIRST), WITH_A)],
)
def test_any_of_three_may_leave_and_the_other_two_go_on(leaves: CallInput, after: Hearing) -> None:
    call = consulting()
    call.handle(MergeAsked(), 5.0)
    assert call.handle(leaves, 6.0)[-1] == Hear(after)
    assert call.state is CallState.TALKING


def test_the_target_hangs_up_during_the_consultation() -> None:
    call = consulting()
    assert call.handle(PartyEnded(FIRST), 5.0) == [
        step("cancelled", "consult", status=487),
        Hear(WITH_A),
    ]


def test_the_agent_who_hangs_up_during_the_consultation_leaves_the_two_together() -> None:
    call = consulting()
    assert steps(effects := call.handle(PartyEnded(A), 5.0)) == ["completed"]
    assert Hear(WITH_TARGET) in effects
    assert not any(isinstance(effect, HangUpLeg) for effect in effects)


@pytest.mark.parametrize("joined", [True, False])
def test_the_citizen_hangs_up(joined: bool) -> None:  # noqa: FBT001
    call = consulting() if joined else talking(asked("blind"))
    effects = call.handle(CallerEnded(), 5.0)
    assert [effect.leg for effect in effects if isinstance(effect, HangUpLeg)] == [FIRST, A]
    assert effects[-2:] == [HangUpCaller(), Finish()]
    assert steps(effects) == ["cancelled"]
    assert call.handle(PartyAnswered(FIRST), 5.1) == [HangUpLeg(FIRST)]


def test_a_dead_media_process_ends_it_all() -> None:
    effects = consulting().handle(MediaFailed(), 5.0)
    assert effects[-1] == Finish()
    assert {effect.leg for effect in effects if isinstance(effect, HangUpLeg)} == {A, FIRST}


def test_a_target_that_cannot_be_bridged_is_the_next_number_and_the_agent_has_the_citizen() -> None:
    call = talking(asked("blind"), PartyAnswered(FIRST))
    assert call.handle(MediaFailed(FIRST), 1.0) == [
        HangUpLeg(FIRST),
        CallNumber(SECOND, "1101", asserts=True),
        Hear(WITH_A),
    ]


# Agents and the queue as targets


def test_to_another_agent() -> None:
    call = talking()
    target = AgentTarget("1002")
    assert call.handle(asked("blind", target), 1.0) == [
        step("started", target=target, status=100),
        Enqueue(seat=1, priority=10, wanted="1002"),
    ]
    assert call.handle(AgentOffered("1002", 2, seat=1), 1.1) == [CallPhones("1002", 2)]
    assert (call.offer_to("1002"), call.leg_of("1001")) == (2, A)
    call.handle(PhonesCalled(2, (B,)), 1.2)
    call.handle(PartyAnswered(B), 2.0)
    assert call.handle(LeaseConfirmed(2), 2.0) == [Connect(B, circle("caller", B))]
    assert steps(call.handle(Bridged(B), 2.1)) == ["completed"]
    assert call.agent_id == "1002"
    assert call.handle(PartyEnded(B), 9.0) == [FinishAgent("1002", 2), HangUpCaller(), Finish()]
    assert call.ended_by == "agent"


@pytest.mark.parametrize("offered", [True, False])
def test_an_agent_who_refuses_or_is_not_there_is_not_replaced_by_another(offered: bool) -> None:  # noqa: FBT001
    target = AgentTarget("1002")
    call = talking(asked("blind", target))
    if offered:
        call.handle(AgentOffered("1002", 2, seat=1), 1.0)
        call.handle(PhonesCalled(2, (B,)), 1.0)
        assert call.handle(PartyEnded(B, 486), 2.0) == [
            ReleaseOffer("1002", 2, "busy"),
            Dequeue(1),
            step("failed", target=target, outcome="busy", status=486),
        ]
    else:
        assert call.deadline == 2.0
        assert call.handle(DeadlinePassed(), 2.0) == [
            Dequeue(1),
            step("failed", target=target, outcome="missed", status=480),
        ]
    assert call.agent_id == "1001"


def test_back_into_the_queue() -> None:
    target = QueueTarget("12345")
    call = talking()
    assert call.handle(asked("blind", target), 1.0)[1:] == [
        Enqueue(seat=1, priority=10, line="12345")
    ]
    call.handle(AgentOffered("1002", 2, seat=1), 1.0)
    call.handle(PhonesCalled(2, (B,)), 1.0)
    assert call.handle(PartyEnded(B, 486), 2.0) == [
        ReleaseOffer("1002", 2, "busy"),
        Enqueue(seat=1, priority=10, line="12345"),
    ]
    assert (call.transfer_to, call.transferring) == ("line:12345", True)


# The agent's own phone


def test_a_phone_that_consults_by_itself_keeps_its_two_calls_apart() -> None:
    via = "via.1.0"
    call = talking()
    assert call.handle(asked("consult", via=via), 1.0) == [
        step("started", "consult", status=100),
        CallNumber(FIRST, "110", asserts=True),
    ]
    assert call.handle(PartyRang(FIRST), 1.0)[0] == RingLeg(via)
    both = WITH_A | circle(via, FIRST)
    assert call.handle(PartyAnswered(FIRST), 2.0) == [Connect(FIRST, both)]
    assert as_pairs(both) == [(A, "caller"), (FIRST, via)]
    assert call.handle(Bridged(FIRST), 2.0) == [step("joined", "consult")]
    with pytest.raises(TransferError):
        call.handle(SwapAsked(), 2.5)
    effects = call.handle(CompleteAsked(), 3.0)
    assert [effect.leg for effect in effects if isinstance(effect, HangUpLeg)] == [A, via]
    assert effects[-1] == Hear(WITH_TARGET)


def test_the_phone_hangs_up_its_call_to_the_target() -> None:
    call = consulting("via.1.0")
    effects = call.handle(PartyEnded("via.1.0"), 3.0)
    assert effects == [HangUpLeg(FIRST), step("cancelled", "consult", status=487), Hear(WITH_A)]


def test_a_target_that_refuses_a_consulting_phone() -> None:
    call = talking(asked("consult", via="via.1.0"), PartyEnded(FIRST, 486))
    assert call.handle(PartyEnded(SECOND, 486), 2.0) == [
        step("failed", "consult", outcome="busy", status=486),
        HangUpLeg("via.1.0", status=486),
    ]


def test_another_phone_takes_over() -> None:
    call = talking()
    assert call.handle(PhoneReplaced(A, "again.1.0"), 1.0) == [
        HangUpLeg(A, "replaced"),
        Hear(circle("caller", "again.1.0")),
    ]
    assert call.handle(PartyEnded(A), 1.1) == []
    with pytest.raises(TransferError):
        call.handle(PhoneReplaced(A, "again.2.0"), 2.0)


# Agents' own calls


def test_an_agent_calls_out() -> None:
    call = Call(partner_seconds=30)
    assert call.handle(Arrived(POLICE, "1001"), 0.0) == [CallNumber("p0-1.0", "110", asserts=True)]
    assert call.handle(PartyRang("p0-1.0"), 1.0) == [RingCaller()]
    assert call.handle(PartyAnswered("p0-1.0"), 2.0) == [
        Connect("p0-1.0", circle("caller", "p0-1.0"))
    ]
    assert call.handle(Bridged("p0-1.0"), 2.0) == []
    assert (call.state, call.agent_id, call.answered_at) == (CallState.TALKING, "1001", 2.0)
    assert call.handle(CallerEnded(), 5.0) == [HangUpLeg("p0-1.0"), HangUpCaller(), Finish()]
    assert (call.ended_by, call.outcome, call.agent_id) == ("agent", "answered", "1001")


def test_nobody_answers_an_agents_call() -> None:
    call = Call()
    call.handle(Arrived(NumberTarget(("1",)), "1001"), 0.0)
    assert call.handle(PartyEnded("p0-1.0", 486), 2.0) == [HangUpCaller(486), Finish()]
    assert (call.outcome, call.state) == ("failed", CallState.ENDED)


# What cannot be


@pytest.mark.parametrize(
    "events, event, code",
    [
        ((), CompleteAsked(), "no_transfer"),
        ((), CancelAsked(), "no_transfer"),
        ((), SwapAsked(), "no_transfer"),
        ((asked("blind"),), asked("blind"), "transfer_under_way"),
        ((asked("consult"),), SwapAsked(), "not_consulting"),
        ((asked("consult"),), MergeAsked(), "not_consulting"),
        ((), MergeAsked(), "no_transfer"),
        ((CallerEnded(),), asked("blind"), "not_talking"),
        ((CallerEnded(),), CancelAsked(), "no_transfer"),
    ],
)
def test_what_cannot_be_changes_nothing(
    events: tuple[CallInput, ...], event: CallInput, code: str
) -> None:
    call = talking(*events)
    before = (call.state, call.transfer_stage, call.deadline)
    with pytest.raises(TransferError) as caught:
        call.handle(event, 1.0)
    assert caught.value.code == code
    assert (call.state, call.transfer_stage, call.deadline) == before


def test_a_partner_does_not_pass_the_call_on() -> None:
    call = talking(asked("blind"), PartyAnswered(FIRST), Bridged(FIRST))
    with pytest.raises(TransferError, match="not talking"):
        call.handle(asked("blind"), 1.0)


def test_three_in_a_circle_need_a_mixer() -> None:
    with pytest.raises(NeedsMixer):
        as_pairs(circle("caller", "a", "b"))
    with pytest.raises(NeedsMixer):
        as_pairs(frozenset({("a", "b")}))
    assert as_pairs(NOBODY) == []


def test_names_hold_no_numbers() -> None:
    assert name_of(NumberTarget(("13862311001",))) == "number"
    assert name_of(POLICE) == "partner:110"


def test_a_target_that_is_never_bridged_is_the_next_number() -> None:
    call = talking(asked("blind"), PartyAnswered(FIRST))
    assert call.deadline == CONNECT_SECONDS
    effects = call.handle(DeadlinePassed(), CONNECT_SECONDS)
    assert effects[:2] == [HangUpLeg(FIRST), CallNumber(SECOND, "1101", asserts=True)]
    assert call.segments[-2].outcome == "unreachable"
    for event in (PartyAnswered(SECOND), Bridged(SECOND)):
        call.handle(event, CONNECT_SECONDS)
    assert call.deadline is None
