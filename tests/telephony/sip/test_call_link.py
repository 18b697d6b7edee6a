"""A whole call over a bad link, in any order of wishes: both ends come to the same end.

Caller and called are the real machines, with their transactions; hypothesis plays both owners, and
the link. What must hold: each leg ends once, no request has two final responses, nothing is left
running, and while nobody hangs up, both ends agree whether they talk and what they agreed on.
"""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from telephony.sip.in_dialog import InviteDialog
from telephony.sip.inbound_leg import InboundLeg
from telephony.sip.invite_usage import Answer, HangUp, LegInput, Refuse, Reoffer, Ring
from telephony.sip.leg_events import (
    LegAnswered,
    LegConfirmed,
    LegEnded,
    LegHeld,
    LegReoffered,
    LegReofferRefused,
    LegResumed,
    LegRinging,
)
from telephony.sip.outbound_leg import OutboundLeg
from tests.telephony.sip.network import (
    Fate,
    Network,
    Side,
    check_end,
    check_finals,
    count,
)

LOST: Fate = ()


def usage_of(side: Side) -> InviteDialog:
    """Return the confirmed dialog of a side."""
    machine = side.machine
    if isinstance(machine, InboundLeg):
        return machine._usage
    assert isinstance(machine, OutboundLeg)
    assert machine._winner is not None
    return machine._forks[machine._winner].usage


def talking(*, offer: bool = True) -> Network:
    network = Network(offer=offer)
    network.run(1)
    network.called.feed(Answer(network.called.describe()))
    network.run(1)
    assert network.caller.up
    assert network.called.up
    assert_agreed(network)
    return network


def assert_agreed(network: Network) -> None:
    caller, called = (usage_of(side).negotiation for side in network.sides)
    assert caller.pending is called.pending is None
    assert (caller.local, caller.remote) == (called.remote, called.local)


def since(side: Side, number: int) -> list[str]:
    return [type(event).__name__ for event in side.events[number:]]


def ended(network: Network) -> None:
    network.finish()
    check_end(network)


# One example for each way


def test_a_reliable_early_answer_is_the_answer() -> None:
    network = Network()
    network.run(1)
    early = network.called.describe()
    network.called.feed(Ring(183, early))
    network.run(1)
    assert network.caller.events == [LegRinging(183, early, "called")]
    assert count(network.wire, "PRACK") == 1
    network.called.feed(Answer(early))
    network.run(1)
    assert network.caller.events[1:] == [LegAnswered(early)]
    assert network.called.events == [LegConfirmed()]
    assert_agreed(network)
    ended(network)


def test_an_answer_other_than_the_early_one_is_offered_after_it() -> None:
    network = Network()
    network.run(1)
    early, final = network.called.describe(), network.called.describe()
    network.called.feed(Ring(183, early))
    network.run(1)
    network.called.feed(Answer(final))
    network.run(1)
    assert network.caller.events[1:] == [LegAnswered(early), LegReoffered(final)]
    assert since(network.called, 0) == ["LegConfirmed", "LegReanswered"]
    assert_agreed(network)
    ended(network)


def test_a_lost_reliable_response_is_repeated_until_its_prack() -> None:
    network = Network()
    network.run(1)
    network.fates.extend([LOST] * 3)
    network.called.feed(Ring(183, network.called.describe()))
    network.run(0.4)
    assert network.caller.events == []
    network.run(4)
    assert count(network.wire, "SIP/2.0 183") == 4
    assert count(network.wire, "PRACK") == 1
    assert since(network.caller, 0) == ["LegRinging"]
    network.run(60)
    assert count(network.wire, "SIP/2.0 183") == 4 + 1  # once more after a minute
    ended(network)


def test_the_answer_waits_for_the_prack_of_what_was_described() -> None:
    network = Network()
    network.run(1)
    early = network.called.describe()
    network.fates.extend([LOST])
    network.called.feed(Ring(183, early))
    network.called.feed(Answer(early))
    assert count(network.wire, "SIP/2.0 200") == 0
    network.run(2)
    assert since(network.caller, 0) == ["LegRinging", "LegAnswered"]
    ended(network)


def test_nobody_acknowledges_a_reliable_response() -> None:
    network = Network()
    network.run(1)
    network.fates.extend([LOST] * 100)
    network.called.feed(Ring())
    network.run(40)
    assert network.called.events == [LegEnded("failure", 504, "no PRACK")]
    ended(network)


def test_a_late_offer_is_answered_in_the_ack() -> None:
    network = talking(offer=False)
    [answered] = network.caller.events
    assert isinstance(answered, LegAnswered)
    assert answered.offered
    assert network.called.events == [LegConfirmed(usage_of(network.caller).negotiation.local)]
    ended(network)


def test_a_late_offer_in_a_reliable_response_is_answered_in_the_prack() -> None:
    network = Network(offer=False)
    network.run(1)
    offer = network.called.describe()
    network.called.feed(Ring(183, offer))
    network.run(1)
    assert since(network.caller, 0) == ["LegRinging", "LegReoffered"]
    assert since(network.called, 0) == ["LegReanswered"]
    network.called.feed(Answer(offer))
    network.run(1)
    assert since(network.caller, 2) == ["LegAnswered"]
    assert_agreed(network)
    ended(network)


@pytest.mark.parametrize(
    "offered, answered, told",
    [
        # RFC 3264 §6.1 mirrors: who answers a hold with recvonly is held all the same
        ("sendonly", "recvonly", ["LegHeld"]),
        ("inactive", "inactive", ["LegHeld"]),
        ("recvonly", "sendonly", []),
    ],
)
def test_a_hold_is_told_whatever_the_answer_says(
    offered: str, answered: str, told: list[str]
) -> None:
    network = talking()
    side, peer = network.caller, network.called
    peer.patient = True
    before = len(peer.events)
    side.feed(Reoffer(side.describe(offered), None))
    network.run(1)
    peer.feed(Answer(peer.describe(answered)))
    network.run(1)
    assert_agreed(network)
    assert since(peer, before) == ["LegReoffered", *told]


@pytest.mark.parametrize("name", ["caller", "called"])
@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_either_side_holds_and_resumes(name: str, method: str) -> None:
    network = talking()
    side = getattr(network, name)
    peer = network.peer_of(side)
    before = len(peer.events)
    for direction in ("sendonly", "sendrecv"):
        side.feed(Reoffer(side.describe(direction), "UPDATE" if method == "UPDATE" else None))
        network.run(1)
        assert_agreed(network)
    assert since(peer, before) == ["LegReoffered", "LegHeld", "LegReoffered", "LegResumed"]
    assert {LegHeld(), LegResumed()} <= set(peer.events)
    assert since(side, 1) == ["LegReanswered"] * 2
    assert count(network.wire, "UPDATE") == (2 if method == "UPDATE" else 0)
    ended(network)


@pytest.mark.parametrize("name", ["caller", "called"])
def test_an_offer_asked_for_comes(name: str) -> None:
    network = talking()
    side = getattr(network, name)
    side.feed(Reoffer(None))
    network.run(1)
    assert since(side, 1) == ["LegReoffered"]
    assert_agreed(network)
    ended(network)


def test_offers_that_cross_are_both_made_in_the_end() -> None:
    network = talking()
    for side in network.sides:
        side.feed(Reoffer(side.describe()))
    network.run(0.5)
    assert count(network.wire, "SIP/2.0 491") == 2
    network.run(10)
    for side in network.sides:
        assert sorted(since(side, 1)) == ["LegReanswered", "LegReoffered"]
    assert_agreed(network)
    ended(network)


def test_a_refused_offer_changes_nothing() -> None:
    network = talking()
    before = usage_of(network.caller).negotiation.local
    network.called.patient = True
    network.caller.feed(Reoffer(network.caller.describe()))
    network.run(1)
    network.called.feed(Refuse(488))
    network.run(1)
    assert network.caller.events[-1] == LegReofferRefused(488, "Not Acceptable Here")
    assert usage_of(network.caller).negotiation.local == before
    assert_agreed(network)
    ended(network)


def test_an_update_before_the_answer() -> None:
    network = Network()
    network.run(1)
    early = network.called.describe()
    network.called.feed(Ring(183, early))
    network.run(1)
    for side in network.sides:
        side.feed(Reoffer(side.describe()))
        network.run(1)
    assert count(network.wire, "UPDATE") == 2
    network.called.feed(Answer(usage_of(network.called).negotiation.local or ""))
    network.run(1)
    assert_agreed(network)
    assert count(network.wire, "INVITE") == 1
    ended(network)


def test_the_session_is_refreshed_for_as_long_as_both_are_there() -> None:
    network = talking()
    network.run(1000)
    assert network.caller.up
    assert network.called.up
    assert 15 <= count(network.wire, "UPDATE") <= 17
    ended(network)


@pytest.mark.parametrize("name", ["caller", "called"])
def test_whoever_vanishes_is_noticed(name: str) -> None:
    network = talking()
    side = getattr(network, name)
    network.fates.extend([LOST] * 200)
    network.run(130)
    assert network.peer_of(side).over
    last = network.peer_of(side).events[-1]
    assert isinstance(last, LegEnded)
    assert last.by == "failure"


# Any order

SIDES = st.sampled_from(["caller", "called"])
# no datagram lives longer than T4, 5 s: the transactions count on it (§17.1.2.2)
DELAYS = st.one_of(st.just(0.02), st.floats(0.001, 1.0), st.floats(0.001, 4.5))
FATES = st.lists(st.lists(DELAYS, max_size=2).map(tuple), max_size=12)
DIRECTIONS = st.sampled_from(["sendrecv", "sendonly", "recvonly", "inactive"])


class Calls(RuleBasedStateMachine):
    """Both owners and the link, played by hypothesis."""

    @initialize(offer=st.booleans(), patient=st.booleans())
    def begin(self, offer: bool, patient: bool) -> None:  # noqa: FBT001 - hypothesis names them
        self.network = Network(offer=offer)
        self.network.caller.patient = self.network.called.patient = patient

    def wish(self, name: str, event: LegInput) -> None:
        side: Side = getattr(self.network, name)
        if side.machine is not None:
            side.feed(event)

    @rule(seconds=st.one_of(st.floats(0, 1), st.floats(0, 70)))
    def wait(self, seconds: float) -> None:
        self.network.run(seconds)

    @rule()
    def wait_until_something_is_due(self) -> None:
        """What crosses a refresh or a repetition would be met by chance seldom."""
        legs = [side.machine for side in self.network.sides if side.machine is not None]
        due = [leg.deadline for leg in legs if leg.deadline is not None]
        if due:
            self.network.run(max(0.0, min(due) - self.network.now) + 0.001)

    @rule(fates=FATES)
    def trouble(self, fates: list[Fate]) -> None:
        self.network.fates.extend(fates)

    @rule(status=st.sampled_from([180, 183]), described=st.booleans())
    def ring(self, status: int, described: bool) -> None:  # noqa: FBT001
        sdp = self.network.called.describe() if described else None
        self.wish("called", Ring(status, sdp))

    @rule(name=SIDES)
    def answer(self, name: str) -> None:
        self.wish(name, Answer(getattr(self.network, name).describe()))

    @rule(name=SIDES, status=st.sampled_from([486, 488]))
    def refuse(self, name: str, status: int) -> None:
        self.wish(name, Refuse(status))

    @rule(name=SIDES)
    def hang_up(self, name: str) -> None:
        self.wish(name, HangUp())

    @rule(name=SIDES, direction=DIRECTIONS, update=st.booleans())
    def reoffer(self, name: str, direction: str, update: bool) -> None:  # noqa: FBT001
        sdp = getattr(self.network, name).describe(direction)
        self.wish(name, Reoffer(sdp, "UPDATE" if update else None))

    @rule(name=SIDES)
    def ask_for_an_offer(self, name: str) -> None:
        self.wish(name, Reoffer(None))

    @invariant()
    def no_request_has_two_final_responses(self) -> None:
        if hasattr(self, "network"):
            for side in self.network.sides:
                check_finals(side)

    def teardown(self) -> None:
        if not hasattr(self, "network"):
            return
        network = self.network
        network.fates.clear()
        for side in network.sides:
            if side.patient and side.machine is not None:
                side.patient = False
                if side.up:
                    side.feed(Answer(side.describe()))
        # long enough for every retransmission, for a refresh to notice who has gone, and for the
        # offers that cross meanwhile
        network.run(400)
        caller, called = network.sides
        if caller.up or called.up:
            assert caller.up, f"only the called is up: {network.wire}"
            assert called.up, f"only the caller is up: {network.wire}"
            assert_agreed(network)
        network.finish()
        check_end(network)


TestCalls = Calls.TestCase
TestCalls.settings = settings(
    max_examples=300,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
