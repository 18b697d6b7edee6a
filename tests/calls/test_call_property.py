"""Any order of inputs: nobody is left in a phone call, reserved, alone, or without an end."""

from contextlib import suppress

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from calls.call import Call, CallState
from calls.call_conference import MOST_PARTIES
from calls.call_effects import (
    CallEffect,
    CallNumber,
    CallPhones,
    ConfirmLease,
    Connect,
    Dequeue,
    Enqueue,
    Finish,
    FinishAgent,
    HangUpCaller,
    HangUpLeg,
    Hear,
    ReleaseOffer,
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
    DropAsked,
    HangUpAsked,
    LeaseConfirmed,
    LeaseLost,
    MediaFailed,
    MergeAsked,
    OfferFailed,
    OfferRefused,
    PartyAnswered,
    PartyEnded,
    PartyRang,
    PhonesCalled,
    SwapAsked,
    TransferAsked,
)
from calls.call_terms import TransferMode
from calls.errors import TransferError
from calls.hearing import CALLER, NOBODY, Hearing, as_pairs
from calls.supervision_events import (
    CallSupervisor,
    SuperviseAsked,
    SupervisionEndAsked,
    SupervisionMode,
    SupervisorCalled,
)
from calls.targets import AgentTarget, NumberTarget, QueueTarget, Target

TARGETS: list[Target] = [
    AgentTarget("1002"),
    QueueTarget("12345"),
    NumberTarget(("110", "1101"), "110"),
]
STEPS: dict[str, CallInput] = {
    "complete": CompleteAsked(),
    "cancel": CancelAsked(),
    "swap": SwapAsked(),
    "merge": MergeAsked(),
}


class AnyOrder(RuleBasedStateMachine):
    """The owner and the world around one call, answering effects late and in any order."""

    @initialize(whom=st.none() | st.sampled_from(TARGETS), answered=st.booleans())
    def arrive(self, whom: Target | None, *, answered: bool) -> None:
        self.call = Call(no_answer_seconds=15, partner_seconds=30)
        self.now = 0.0
        self.token = 0
        self.vias = 0
        self.asked: list[CallEffect] = []
        self.live_legs: set[str] = set()
        self.reserved: dict[int, str] = {}
        self.queued: dict[int, str | None] = {}
        self.hearing: Hearing | None = NOBODY
        self.caller_hung_up = False
        self.conferring = False
        self.finishes = 0
        self.feed(Arrived(whom, "1001" if whom is not None else None))
        if answered and whom is None:
            self.talk()

    def talk(self) -> None:
        """Go at once to where most can happen."""
        self.token, self.reserved[1] = 1, "1001"
        del self.queued[0]
        self.live_legs.add("agent.1.0")
        for event in (
            AgentOffered("1001", 1),
            PhonesCalled(1, ("agent.1.0",)),
            PartyAnswered("agent.1.0"),
            LeaseConfirmed(1),
            Bridged("agent.1.0"),
        ):
            self.feed(event)
        self.asked.clear()

    def feed(self, event: CallInput) -> None:  # noqa: C901 - one arm per effect
        was_ended = self.call.state is CallState.ENDED
        for effect in self.call.handle(event, self.now):
            match effect:
                case CallPhones() | ConfirmLease() | CallSupervisor():
                    self.asked.append(effect)
                case Connect(_, hearing):
                    self.asked.append(effect)
                    self.hearing = hearing
                case Hear(hearing):
                    self.hearing = hearing
                case CallNumber(leg):
                    self.live_legs.add(leg)
                case HangUpLeg(leg):
                    self.live_legs.discard(leg)
                case ReleaseOffer() | FinishAgent():
                    self.reserved.pop(effect.token, None)
                case HangUpCaller():
                    assert not was_ended
                    self.caller_hung_up = True
                case Finish():
                    self.finishes += 1
                case Enqueue(seat, _, wanted):
                    self.queued[seat] = wanted
                case Dequeue(seat):
                    self.queued.pop(seat, None)
                case _:
                    pass

    @precondition(lambda self: self.queued)
    @rule(data=st.data(), agent=st.sampled_from(["1002", "1003"]))
    def floor_offers(self, data: st.DataObject, agent: str) -> None:
        seat = data.draw(st.sampled_from(sorted(self.queued)))
        wanted = self.queued[seat] or agent
        if wanted in self.reserved.values():
            return  # the floor gives nobody two calls
        del self.queued[seat]
        self.token += 1
        self.reserved[self.token] = wanted
        self.feed(AgentOffered(wanted, self.token, seat))

    @precondition(lambda self: self.asked)
    @rule(good=st.booleans(), phones=st.integers(1, 2))
    def something_asked_is_done(self, *, good: bool, phones: int) -> None:
        effect = self.asked.pop(0)
        match effect:
            case CallPhones() if good:
                legs = tuple(f"agent.{effect.token}.{number}" for number in range(phones))
                self.live_legs.update(legs)
                self.feed(PhonesCalled(effect.token, legs))
            case CallPhones():
                self.feed(OfferFailed(effect.token, "no_media" if phones == 1 else "no_phone"))
            case CallSupervisor():
                legs = tuple(f"{effect.group}.{number}" for number in range(phones * good))
                self.live_legs.update(legs)
                self.feed(SupervisorCalled(effect.group, legs))
            case ConfirmLease():
                self.feed(LeaseConfirmed(effect.token) if good else LeaseLost(effect.token))
            case Connect():
                self.feed(Bridged(effect.leg) if good else MediaFailed(effect.leg))
            case _:
                raise AssertionError(effect)

    @precondition(lambda self: self.live_legs)
    @rule(data=st.data(), what=st.sampled_from(["ring", "answer", "answer", "end", "refuse"]))
    def a_phone_does_something(self, data: st.DataObject, what: str) -> None:
        leg = data.draw(st.sampled_from(sorted(self.live_legs)))
        match what:
            case "ring":
                self.feed(PartyRang(leg))
            case "answer" if not leg.startswith("via"):
                self.feed(PartyAnswered(leg))
            case _:
                self.live_legs.discard(leg)
                self.feed(PartyEnded(leg, 486 if what == "refuse" else None))

    @rule(seconds=st.floats(0, 20))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        if self.call.deadline is not None and self.now >= self.call.deadline:
            self.feed(DeadlinePassed())

    @precondition(lambda self: self.call.holder is not None)
    @rule(
        whom=st.sampled_from(TARGETS),
        mode=st.sampled_from(["blind", "consult", "conference"]),
        by_phone=st.booleans(),
    )
    def a_transfer_is_asked_for(self, whom: Target, mode: TransferMode, *, by_phone: bool) -> None:
        via = None
        if by_phone and mode == "consult":
            self.vias += 1
            via = f"via.{self.vias}.0"
            self.live_legs.add(via)
        try:
            self.feed(TransferAsked(whom, mode, via))
        except TransferError:
            self.live_legs.discard(via or "")
        else:
            self.conferring = mode == "conference"

    @precondition(lambda self: self.call.holder is not None)
    @rule(
        supervisor=st.sampled_from(["2001", "2002"]),
        mode=st.sampled_from(["listen", "whisper", "barge", "take_over", None]),
    )
    def a_supervisor_asks(self, supervisor: str, mode: SupervisionMode | None) -> None:
        event = SupervisionEndAsked(supervisor)
        with suppress(TransferError):
            self.feed(event if mode is None else SuperviseAsked(supervisor, mode))

    @precondition(lambda self: self.live_legs)
    @rule(data=st.data())
    def somebody_is_dropped(self, data: st.DataObject) -> None:
        with suppress(TransferError):
            self.feed(DropAsked(data.draw(st.sampled_from(sorted(self.live_legs)))))

    @precondition(lambda self: self.call.guests)
    @rule()
    def the_agent_leaves_the_others(self) -> None:
        with suppress(TransferError):
            self.feed(CompleteAsked())

    @precondition(lambda self: self.call.transferring)
    @rule(step=st.sampled_from(sorted(STEPS)))
    def a_step_is_asked_for(self, step: str) -> None:
        together = self.call.transfer_stage in {"joined", "merged"} and self.call.via is None
        if step in {"swap", "merge"} and not together:
            with pytest.raises(TransferError, match="not consulting"):
                self.feed(STEPS[step])
        else:
            self.feed(STEPS[step])

    @rule(how=st.sampled_from(["citizen", "agent", "media", "refusal"]))
    def somebody_ends_it(self, how: str) -> None:
        if how == "citizen":
            self.feed(CallerEnded())
        elif how == "agent":
            self.feed(HangUpAsked("agent"))
        elif how == "refusal":
            self.feed(OfferRefused(self.token))
        else:
            self.feed(MediaFailed())

    @invariant()
    def nobody_is_reserved_twice(self) -> None:
        if hasattr(self, "call"):
            assert len(self.reserved) == len(set(self.reserved.values()))

    @invariant()
    def an_ended_call_holds_nothing(self) -> None:
        if not hasattr(self, "call") or self.call.state is not CallState.ENDED:
            return
        assert not self.live_legs
        assert not self.reserved
        assert not self.queued
        assert self.caller_hung_up
        assert self.finishes == 1
        assert self.call.deadline is None
        assert not self.call.transferring
        assert self.call.outcome in {"answered", "abandoned", "failed"}
        assert not self.call.guests
        assert self.call.supervised is None
        segments = (*self.call.segments, *self.call.supervisions)
        assert all(segment.ended_at is not None for segment in segments)

    @invariant()
    def a_live_call_is_never_forgotten(self) -> None:
        if not hasattr(self, "call"):
            return
        match self.call.state:
            case CallState.WAITING:
                assert self.queued or self.call.deadline is not None
            case CallState.OFFERING:
                assert self.call.deadline is not None
            case CallState.CONNECTING:
                assert self.asked
            case CallState.TALKING if self.call.holder is None:
                # the target of a transfer is still looked for
                assert self.queued or self.asked or self.call.deadline is not None
            case _:
                pass

    @invariant()
    def who_talks_is_heard_and_can_be_relayed(self) -> None:
        if not hasattr(self, "call") or self.call.state is not CallState.TALKING:
            return
        assert self.hearing is not None
        parties = {party for pair in self.hearing for party in pair} - {CALLER}
        assert len(parties) < MOST_PARTIES
        together = self.call.guests or self.call.supervised or self.conferring
        if not together and self.call.transfer_stage != "merged":
            as_pairs(self.hearing)
        assert parties <= self.live_legs
        holder = self.call.holder
        if holder is not None and not self.call.transferring:
            assert (CALLER, holder.leg) in self.hearing


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
