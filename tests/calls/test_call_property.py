"""Any order of inputs: nobody is left in a phone call, reserved, or without an end."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from calls.call import Call, CallState
from calls.call_events import (
    AgentLegAnswered,
    AgentLegEnded,
    AgentLegRinging,
    AgentOffered,
    Arrived,
    Bridged,
    CallEffect,
    CallerEnded,
    CallInput,
    CallPhones,
    ConfirmLease,
    Connect,
    DeadlinePassed,
    Enqueue,
    Finish,
    FinishAgent,
    HangUpAsked,
    HangUpCaller,
    HangUpLeg,
    LeaseConfirmed,
    LeaseLost,
    MediaFailed,
    OfferFailed,
    OfferRefused,
    PhonesCalled,
    ReleaseOffer,
)


class AnyOrder(RuleBasedStateMachine):
    """The owner and the world around one call, answering effects late and in any order."""

    @initialize()
    def arrive(self) -> None:
        self.call = Call(no_answer_seconds=15)
        self.now = 0.0
        self.token = 0
        self.asked: list[CallEffect] = []
        self.live_legs: set[str] = set()
        self.reserved: dict[int, str] = {}
        self.queued = False
        self.caller_hung_up = False
        self.finishes = 0
        self.feed(Arrived())

    def feed(self, event: CallInput) -> None:
        was_ended = self.call.state is CallState.ENDED
        for effect in self.call.handle(event, self.now):
            match effect:
                case CallPhones() | ConfirmLease() | Connect():
                    self.asked.append(effect)
                case HangUpLeg():
                    self.live_legs.discard(effect.leg)
                case ReleaseOffer():
                    self.reserved.pop(effect.token, None)
                case FinishAgent():
                    self.reserved = {
                        token: agent
                        for token, agent in self.reserved.items()
                        if agent != effect.agent_id
                    }
                case HangUpCaller():
                    assert not was_ended
                    self.caller_hung_up = True
                case Finish():
                    self.finishes += 1
                case Enqueue():
                    self.queued = True
                case _:
                    pass

    @precondition(lambda self: self.queued)
    @rule(agent=st.sampled_from(["1001", "1002"]))
    def floor_offers(self, agent: str) -> None:
        self.token += 1
        self.reserved[self.token] = agent
        self.queued = False
        self.feed(AgentOffered(agent, self.token))

    @precondition(lambda self: self.asked)
    @rule(good=st.booleans(), phones=st.integers(1, 2))
    def something_asked_is_done(self, *, good: bool, phones: int) -> None:
        effect = self.asked.pop(0)
        match effect:
            case CallPhones() if good:
                legs = tuple(f"{effect.token}.{number}" for number in range(phones))
                self.live_legs.update(legs)
                self.feed(PhonesCalled(effect.token, legs))
            case CallPhones():
                self.feed(OfferFailed(effect.token, "no_media" if phones == 1 else "no_phone"))
            case ConfirmLease():
                self.feed(LeaseConfirmed(effect.token) if good else LeaseLost(effect.token))
            case Connect():
                self.feed(Bridged(effect.token) if good else MediaFailed())
            case _:
                raise AssertionError(effect)

    @precondition(lambda self: self.live_legs)
    @rule(data=st.data(), what=st.sampled_from(["ring", "answer", "end", "refuse"]))
    def a_phone_does_something(self, data: st.DataObject, what: str) -> None:
        leg = data.draw(st.sampled_from(sorted(self.live_legs)))
        match what:
            case "ring":
                self.feed(AgentLegRinging(leg))
            case "answer":
                self.feed(AgentLegAnswered(leg))
            case _:
                self.live_legs.discard(leg)
                self.feed(AgentLegEnded(leg, 486 if what == "refuse" else None))

    @rule(seconds=st.floats(0, 20))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        if self.call.deadline is not None and self.now >= self.call.deadline:
            self.feed(DeadlinePassed())

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
    def at_most_one_agent_is_reserved(self) -> None:
        if hasattr(self, "call"):
            assert len(self.reserved) <= 1

    @invariant()
    def an_ended_call_holds_nothing(self) -> None:
        if not hasattr(self, "call") or self.call.state is not CallState.ENDED:
            return
        assert not self.live_legs
        assert not self.reserved
        assert self.caller_hung_up
        assert self.finishes == 1
        assert self.call.deadline is None
        assert self.call.outcome in {"answered", "abandoned", "failed"}
        assert all(segment.ended_at is not None for segment in self.call.segments)

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
            case _:
                pass


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
