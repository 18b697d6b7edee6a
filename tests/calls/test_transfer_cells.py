"""Every stage of a transfer × every way it can end: who hears whom before and after.

A consultation is the hardest of the transfers, so the table is about it; the target is a partner's
number, and then an agent. What holds in every cell: the citizen hears somebody, or music; no leg is
left that nobody wants; and whoever hears whom is what the table says.
"""

from dataclasses import dataclass

import pytest

from calls.call import Call, CallState
from calls.call_effects import CallEffect, CallNumber, FinishAgent, HangUpCaller, HangUpLeg
from calls.call_inputs import (
    AgentOffered,
    Bridged,
    CallerEnded,
    CallInput,
    CancelAsked,
    CompleteAsked,
    DeadlinePassed,
    LeaseConfirmed,
    LeaseLost,
    MergeAsked,
    PartyAnswered,
    PartyEnded,
    PartyRang,
    PhonesCalled,
    TransferAsked,
)
from calls.errors import TransferError
from calls.hearing import NOBODY, Hearing, circle
from calls.targets import AgentTarget, NumberTarget, Target
from calls.tunes import tunes
from tests.calls.test_transfer import A, talking

STAGES = ("ringing", "early media", "answered", "merged")
ENDS = (
    *("cancel", "complete", "agent hangs up", "citizen hangs up", "partner hangs up"),
    *("partner rejects", "partner silent", "REFER from the phone", "redis away"),
)
PARTNER, SECOND = NumberTarget(("110",), "110"), NumberTarget(("119",), "119")
P, B = "p1-1.0", "agent.2.0"


@dataclass(frozen=True)
class Side:
    """Who is called in: how he is asked for, and what his leg is called."""

    target: Target
    leg: str

    def reach(self, stage: str) -> tuple[CallInput, ...]:
        """Return what happens until the stage."""
        ask: tuple[CallInput, ...] = (TransferAsked(self.target, "consult"),)
        confirm: tuple[CallInput, ...] = ()
        if isinstance(self.target, AgentTarget):
            ask = (*ask, AgentOffered("1002", 2, 1), PhonesCalled(2, (self.leg,)))
            confirm = (LeaseConfirmed(2),)
        rings = (*ask, PartyRang(self.leg))
        answers = (*rings, PartyAnswered(self.leg), *confirm, Bridged(self.leg))
        return {
            "ringing": rings,
            "early media": (*ask, PartyRang(self.leg, early=True)),
            "answered": answers,
            "merged": (*answers, MergeAsked()),
        }[stage]


OUTSIDE, INSIDE = Side(PARTNER, P), Side(AgentTarget("1002"), B)
CELLS = [
    *((OUTSIDE, stage, end) for stage in STAGES for end in ENDS),
    *((INSIDE, stage, end) for stage in STAGES if stage != "early media" for end in ENDS),
]

#: How a stage ends: the input, and its moment (a number outside may ring for 30 s).
INPUTS: dict[str, CallInput | None] = {
    "cancel": CancelAsked(),
    "complete": CompleteAsked(),
    "agent hangs up": PartyEnded(A),
    "citizen hangs up": CallerEnded(),
    "redis away": None,
}


def ending(side: Side, stage: str, end: str) -> CallInput | None:
    """Return what happens in a cell."""
    unanswered = stage in {"ringing", "early media"}
    if end == "partner silent":
        # Once he has answered, silence is RTP that does not come: his leg is hung up for it.
        return DeadlinePassed() if unanswered else PartyEnded(side.leg)
    if end == "partner hangs up":
        return PartyEnded(side.leg, 480 if unanswered else None)
    if end == "partner rejects":
        return PartyEnded(side.leg, 603)
    if end == "REFER from the phone":
        return TransferAsked(SECOND, "blind")
    return INPUTS[end]


def hearing_before(side: Side, stage: str) -> Hearing:
    return {
        "ringing": NOBODY,
        "early media": circle(A, side.leg),
        "answered": circle(A, side.leg),
        "merged": circle("caller", A, side.leg),
    }[stage]


def hearing_after(side: Side, stage: str, end: str) -> Hearing:
    """Return the table's entry."""
    before, unanswered = hearing_before(side, stage), stage in {"ringing", "early media"}
    if end in {"redis away", "REFER from the phone"}:
        return before
    if end == "citizen hangs up":
        return NOBODY
    if end == "complete" and unanswered:
        return circle("caller", A)  # until the target answers
    if end == "agent hangs up" and stage == "ringing":
        return NOBODY  # the citizen hears music until the target answers
    if end in {"complete", "agent hangs up"}:
        return circle("caller", side.leg)
    return circle("caller", A)


def alive(effects: list[CallEffect], legs: set[str]) -> set[str]:
    return legs - {effect.leg for effect in effects if isinstance(effect, HangUpLeg)}


@pytest.mark.parametrize(
    "side, stage, end",
    CELLS,
    ids=lambda value: value.leg if isinstance(value, Side) else value.replace(" ", "-"),
)
def test_a_cell(side: Side, stage: str, end: str) -> None:
    call = talking(*side.reach(stage))
    assert call.hearing == hearing_before(side, stage)
    event = ending(side, stage, end)
    effects: list[CallEffect] = []
    if end == "REFER from the phone" and stage != "merged":
        with pytest.raises(TransferError, match="transfer under way"):
            call.handle(TransferAsked(SECOND, "blind"), 31.0)
    elif event is not None:
        effects = call.handle(event, 31.0)
    assert call.hearing == hearing_after(side, stage, end)
    assert (call.state is CallState.ENDED) is (end == "citizen hangs up")
    left = {event.leg} if isinstance(event, PartyEnded) else set[str]()
    if call.state is CallState.ENDED:
        assert HangUpCaller() in effects
        assert alive(effects, {A, side.leg}) == set()
        return
    _nobody_is_alone(call)
    wanted = {party for pair in call.hearing for party in pair} - {"caller"}
    still_called = {side.leg} if call.transferring else set[str]()
    consulting = {A} if call.holder is not None and call.holder.leg == A else set[str]()
    assert alive(effects, {A, side.leg}) - left == wanted | still_called | consulting
    gone = A in left or A not in alive(effects, {A})
    assert (FinishAgent("1001", 1) in effects) is gone


def _nobody_is_alone(call: Call) -> None:
    """Assert that the citizen hears somebody, or that he is put through to somebody."""
    somebody = any(listener == "caller" for _, listener in call.hearing)
    assert somebody or tunes(call, call.hearing)["caller"] == "music"


@pytest.mark.parametrize("stage", STAGES)
def test_a_transfer_goes_on_without_redis(stage: str) -> None:
    """Nothing that comes from the floor is waited for: only a partner's number is called."""
    call = talking(*OUTSIDE.reach(stage))
    if stage in {"ringing", "early media"}:
        call.handle(PartyAnswered(P), 2.0)
        call.handle(Bridged(P), 2.0)
    assert call.handle(LeaseLost(1), 2.5) == []
    call.handle(CompleteAsked(), 3.0)
    assert call.hearing == circle("caller", P)


def test_an_agent_whose_lease_is_lost_leaves_the_citizen_with_the_first() -> None:
    call = talking(*INSIDE.reach("ringing"), PartyAnswered(B))
    effects = call.handle(LeaseLost(2), 3.0)
    assert HangUpLeg(B) in effects
    assert (call.hearing, call.transferring) == (circle("caller", A), False)


@pytest.mark.parametrize("mode", ["complete", "agent hangs up"])
@pytest.mark.parametrize("stage", ["ringing", "early media"])
def test_the_target_answers_after_the_agent_has_gone(stage: str, mode: str) -> None:
    call = talking(*OUTSIDE.reach(stage))
    event = INPUTS[mode]
    assert event is not None
    call.handle(event, 2.0)
    call.handle(PartyAnswered(P), 3.0)
    effects = call.handle(Bridged(P), 3.0)
    assert call.hearing == circle("caller", P)
    assert (HangUpLeg(A, "transferred") in effects) is (mode == "complete")


@pytest.mark.parametrize("stage", ["ringing", "early media"])
def test_the_target_answers_after_the_citizen_has_gone(stage: str) -> None:
    call = talking(*OUTSIDE.reach(stage))
    assert HangUpLeg(P) in call.handle(CallerEnded(), 2.0)
    assert call.handle(PartyAnswered(P), 2.1) == [HangUpLeg(P)]
    assert call.state is CallState.ENDED


def test_a_refer_out_of_three_brings_another_in_and_takes_the_agent_out() -> None:
    call = talking(*OUTSIDE.reach("merged"))
    effects = call.handle(TransferAsked(SECOND, "blind"), 3.0)
    (called,) = (effect for effect in effects if isinstance(effect, CallNumber))
    call.handle(PartyAnswered(called.leg), 4.0)
    effects = call.handle(Bridged(called.leg), 4.0)
    assert call.hearing == circle("caller", P, called.leg)
    assert HangUpLeg(A, "transferred") in effects
