"""What every floor does: the model, Redis, and a node left alone by its Redis."""

import pytest

from agents.floor import FloorTimes, Offer, Outcome
from agents.presence import PresenceError, State
from tests.support.floors import Clock, Node
from tests.support.waiting import until


async def offered(node: Node, clock: Clock, call_id: str = "c1") -> Offer:
    """Let a call arrive and return the offer that comes of it."""
    await node.floor.enqueue(call_id, arrived_at=clock.now)
    assert node.offers[-1].call_id == call_id
    return node.offers[-1]


# Signing in and out, ready and not


async def test_signing_in_makes_not_ready(node: Node, clock: Clock) -> None:
    assert await node.floor.presence("1001") is None

    presence = await node.floor.sign_in("1001")

    assert (presence.state, presence.reason) == (State.NOT_READY, "signed_in")
    assert (presence.since, presence.node) == (clock.now, "a")
    assert await node.floor.presence("1001") == presence
    assert node.presences == [presence]


async def test_signing_in_again_keeps_the_state(node: Node, clock: Clock) -> None:
    await node.ready_agent("1001")
    told = len(node.presences)
    clock.now += 10

    presence = await node.floor.sign_in("1001")

    assert (presence.state, presence.since) == (State.READY, clock.now - 10)
    assert len(node.presences) == told


async def test_who_is_signed_out_can_be_neither_ready_nor_not_ready(node: Node) -> None:
    await node.floor.set_phones("1001", 1)

    with pytest.raises(PresenceError):
        await node.floor.set_ready("1001")
    with pytest.raises(PresenceError):
        await node.floor.set_not_ready("1001", "lunch")

    assert await node.state("1001") == "signed_out"


async def test_signing_out_twice_is_harmless(node: Node) -> None:
    await node.ready_agent("1001")
    await node.floor.sign_out("1001")
    await node.floor.sign_out("1001")
    assert await node.state("1001") == "signed_out"


async def test_a_new_reason_starts_its_own_clock(node: Node, clock: Clock) -> None:
    await node.floor.sign_in("1001")
    await node.floor.set_not_ready("1001", "lunch")
    clock.now += 5
    same = await node.floor.set_not_ready("1001", "lunch")
    other = await node.floor.set_not_ready("1001", "meeting")
    assert (same.since, other.since) == (clock.now - 5, clock.now)


async def test_a_negative_number_of_phones_is_a_mistake(node: Node) -> None:
    with pytest.raises(ValueError, match="-1 phones"):
        await node.floor.set_phones("1001", -1)


# Matching


async def test_a_call_is_offered_at_once_to_who_has_been_ready_longest(
    node: Node, clock: Clock
) -> None:
    for agent_id in ("1003", "1001", "1002"):
        await node.ready_agent(agent_id)
        clock.now += 1

    offer = await offered(node, clock)

    assert offer == Offer("c1", "1003", offer.token, clock.now + 20, "a")
    presence = await node.floor.presence("1003")
    assert presence is not None
    assert (presence.state, presence.call_id) == (State.RESERVED, "c1")
    assert (await node.floor.counts())["offers"] == 1


async def test_a_waiting_call_is_offered_as_soon_as_somebody_is_ready(
    node: Node, clock: Clock
) -> None:
    await node.floor.enqueue("c1", arrived_at=clock.now)
    assert node.offers == []
    assert (await node.floor.counts())["waiting"] == 1

    await node.ready_agent("1001")

    assert [(offer.call_id, offer.agent_id) for offer in node.offers] == [("c1", "1001")]


async def test_priority_goes_before_arrival_and_arrival_before_enqueuing(
    node: Node, clock: Clock
) -> None:
    await node.floor.enqueue("late", arrived_at=clock.now)
    await node.floor.enqueue("early", arrived_at=clock.now - 60)
    await node.floor.enqueue("urgent", arrived_at=clock.now, priority=5)

    for agent_id in ("1001", "1002", "1003"):
        await node.ready_agent(agent_id)

    assert [offer.call_id for offer in node.offers] == ["urgent", "early", "late"]
    tokens = [offer.token for offer in node.offers]
    assert tokens == sorted(set(tokens))


async def test_a_call_for_one_agent_is_offered_to_nobody_else(node: Node, clock: Clock) -> None:
    await node.ready_agent("1001")
    await node.floor.enqueue("mine", arrived_at=clock.now, wanted="1002")
    assert node.offers == []
    await node.floor.enqueue("older", arrived_at=clock.now - 60, priority=5)
    await node.floor.enqueue("oldest", arrived_at=clock.now - 90, priority=5)
    assert (await node.floor.counts())["waiting"] == 2

    await node.ready_agent("1002")

    offers = [(offer.call_id, offer.agent_id) for offer in node.offers]
    assert offers == [("older", "1001"), ("mine", "1002")]


async def test_without_a_phone_nobody_is_offered_a_call(node: Node, clock: Clock) -> None:
    await node.ready_agent("1001", phones=0)
    await node.floor.enqueue("c1", arrived_at=clock.now)
    assert node.offers == []

    await node.floor.set_phones("1001", 1)

    assert [offer.agent_id for offer in node.offers] == ["1001"]


async def test_enqueuing_twice_makes_one_offer(node: Node, clock: Clock) -> None:
    await node.ready_agent("1001")
    await node.ready_agent("1002")
    await node.floor.enqueue("c1", arrived_at=clock.now)
    await node.floor.enqueue("c1", arrived_at=clock.now)
    assert len(node.offers) == 1
    assert (await node.floor.counts())["offers"] == 1


# How offers end


async def test_the_whole_way_of_an_answered_call(node: Node, clock: Clock) -> None:
    await node.ready_agent("1001")
    offer = await offered(node, clock)

    assert await node.floor.ringing(offer)
    assert await node.state("1001") == "ringing"
    assert await node.floor.talking(offer)
    assert await node.state("1001") == "talking"
    assert (await node.floor.counts())["conversations"] == 1
    await node.floor.finish("1001", "c1")

    presence = await node.floor.presence("1001")
    assert presence is not None
    assert (presence.state, presence.call_id) == (State.WRAP_UP, "c1")
    assert presence.wrap_up_until == clock.now + 30
    ready = await node.floor.end_wrap_up("1001")
    assert (ready.state, ready.ready_since, ready.call_id) == (State.READY, clock.now, None)
    counts = await node.floor.counts()
    assert (counts["waiting"], counts["offers"], counts["conversations"]) == (0, 0, 0)
    assert [one.state.value for one in node.presences][2:] == [
        "ready",
        "reserved",
        "ringing",
        "talking",
        "wrap_up",
        "ready",
    ]


@pytest.mark.parametrize(
    "outcome, state",
    [
        ("missed", "not_ready(missed)"),
        ("unreachable", "not_ready(unreachable)"),
        ("refused", "ready"),
        ("busy", "ready"),
    ],
)
async def test_a_failed_offer_goes_to_the_next_agent(
    node: Node, clock: Clock, outcome: Outcome, state: str
) -> None:
    await node.ready_agent("1001")
    clock.now += 1
    await node.ready_agent("1002")
    offer = await offered(node, clock)
    await node.floor.ringing(offer)

    await node.floor.release(offer, outcome)

    assert await node.state("1001") == state
    assert [one.agent_id for one in node.offers] == ["1001", "1002"]


async def test_who_refused_is_left_alone_for_a_while_and_has_lost_his_place(
    node: Node, clock: Clock
) -> None:
    await node.ready_agent("1001")
    offer = await offered(node, clock)
    await node.floor.release(offer, "refused")
    assert len(node.offers) == 1

    clock.now += 4.5
    await node.floor.beat()
    assert len(node.offers) == 1
    clock.now += 0.5
    await node.floor.beat()

    assert [one.agent_id for one in node.offers] == ["1001", "1001"]
    presence = await node.floor.presence("1001")
    assert presence is not None
    assert presence.ready_since == clock.now - 5


async def test_when_the_caller_has_gone_the_agent_gets_his_old_place_back(
    node: Node, clock: Clock
) -> None:
    await node.ready_agent("1001")
    clock.now += 1
    await node.ready_agent("1002")
    offer = await offered(node, clock)
    await node.floor.release(offer, "cancelled")
    assert (await node.floor.counts())["waiting"] == 0

    assert (await offered(node, clock, "c2")).agent_id == "1001"
    await node.floor.dequeue("c2")
    assert (await offered(node, clock, "c3")).agent_id == "1001"


async def test_a_released_lease_can_neither_ring_nor_talk(node: Node, clock: Clock) -> None:
    await node.ready_agent("1001")
    old = await offered(node, clock)
    await node.floor.release(old, "missed")
    await node.ready_agent("1001")
    new = node.offers[-1]
    assert new.token > old.token

    assert not await node.floor.ringing(old)
    assert not await node.floor.talking(old)
    await node.floor.release(old, "missed")

    assert await node.state("1001") == "reserved"
    assert await node.floor.talking(new)


async def test_an_expired_lease_frees_the_agent_and_the_call_goes_on(
    node: Node, clock: Clock
) -> None:
    await node.ready_agent("1001")
    await node.ready_agent("1002")
    offer = await offered(node, clock)
    clock.now += 20
    await node.floor.beat()

    assert [one.agent_id for one in node.offers] == ["1001", "1002"]
    assert await node.state("1001") == "ready"
    assert not await node.floor.talking(offer)


async def test_ringing_extends_the_lease(node: Node, clock: Clock) -> None:
    await node.ready_agent("1001")
    offer = await offered(node, clock)
    for _ in range(3):
        clock.now += 15
        assert await node.floor.ringing(offer)
    assert await node.state("1001") == "ringing"


async def test_talking_is_no_lease(node: Node, clock: Clock) -> None:
    await node.ready_agent("1001")
    await node.floor.talking(await offered(node, clock))
    for _ in range(400):
        clock.now += 10
        await node.floor.beat()
    assert await node.state("1001") == "talking"


async def test_a_caller_who_hangs_up_while_talking_lets_the_agent_wrap_up(
    node: Node, clock: Clock
) -> None:
    await node.ready_agent("1001")
    await node.floor.talking(await offered(node, clock))
    await node.floor.dequeue("c1")
    assert await node.state("1001") == "wrap_up"
    await node.floor.finish("1001", "c1")
    assert await node.state("1001") == "wrap_up"


async def test_finishing_another_call_changes_nothing(node: Node, clock: Clock) -> None:
    await node.ready_agent("1001")
    await node.floor.talking(await offered(node, clock))
    await node.floor.finish("1001", "c2")
    await node.floor.finish("1002", "c1")
    assert await node.state("1001") == "talking"


# Wrap-up


async def test_wrap_up_ends_by_itself_and_is_told(node: Node, clock: Clock) -> None:
    await node.ready_agent("1001")
    await node.floor.talking(await offered(node, clock))
    await node.floor.finish("1001", "c1")
    await node.floor.enqueue("c2", arrived_at=clock.now)
    clock.now += 30
    await node.floor.beat()
    assert [one.state.value for one in node.presences[-3:]] == ["wrap_up", "ready", "reserved"]
    assert node.offers[-1].call_id == "c2"


async def test_being_ready_ends_wrap_up(node: Node, clock: Clock) -> None:
    await node.ready_agent("1001")
    await node.floor.talking(await offered(node, clock))
    await node.floor.finish("1001", "c1")
    assert (await node.floor.set_ready("1001")).state is State.READY


@pytest.mark.parametrize("before", ["signed_in", "break", "unknown"])
async def test_ending_wrap_up_outside_it_changes_nothing(node: Node, before: str) -> None:
    if before != "unknown":
        await node.floor.sign_in("1001")
    if before == "break":
        await node.floor.set_not_ready("1001", "lunch")
    told = list(node.presences)
    presence = await node.floor.end_wrap_up("1001")
    assert presence.state in {State.NOT_READY, State.SIGNED_OUT}
    assert node.presences == told


# Wishes while a call holds the agent


@pytest.mark.parametrize("during", ["reserved", "ringing", "talking"])
async def test_a_break_asked_for_during_a_call_comes_after_it(
    node: Node, clock: Clock, during: str
) -> None:
    await node.ready_agent("1001")
    offer = await offered(node, clock)
    if during == "ringing":
        await node.floor.ringing(offer)
    if during == "talking":
        await node.floor.talking(offer)

    presence = await node.floor.set_not_ready("1001", "lunch")

    assert (presence.state, presence.pending) == (during, State.NOT_READY)
    if during == "talking":
        await node.floor.finish("1001", "c1")
        assert await node.state("1001") == "wrap_up"
        await node.floor.end_wrap_up("1001")
    else:
        await node.floor.release(offer, "refused")
    assert await node.state("1001") == "not_ready(lunch)"


async def test_a_break_can_be_taken_back(node: Node, clock: Clock) -> None:
    await node.ready_agent("1001")
    await node.floor.talking(await offered(node, clock))
    await node.floor.set_not_ready("1001", "lunch")
    await node.floor.set_ready("1001")
    await node.floor.finish("1001", "c1")
    assert (await node.floor.end_wrap_up("1001")).state is State.READY


async def test_signing_out_during_a_call_comes_after_it(node: Node, clock: Clock) -> None:
    await node.ready_agent("1001")
    await node.floor.talking(await offered(node, clock))
    assert (await node.floor.sign_out("1001")).state is State.TALKING
    await node.floor.finish("1001", "c1")
    assert await node.state("1001") == "signed_out"


async def test_signing_in_again_takes_back_signing_out(node: Node, clock: Clock) -> None:
    await node.ready_agent("1001")
    await node.floor.talking(await offered(node, clock))
    await node.floor.sign_out("1001")
    await node.floor.sign_in("1001")
    await node.floor.finish("1001", "c1")
    assert await node.state("1001") == "wrap_up"


# Everybody


async def test_everyone_is_listed_and_counted(node: Node, clock: Clock) -> None:
    await node.ready_agent("1002")
    await node.floor.sign_in("1001")
    await node.floor.set_phones("1003", 2)
    await node.floor.enqueue("c1", arrived_at=clock.now)
    await node.floor.enqueue("c2", arrived_at=clock.now)

    everyone = await node.floor.everyone()

    assert [(one.agent_id, one.state.value, one.phones) for one in everyone] == [
        ("1001", "not_ready", 0),
        ("1002", "reserved", 1),
        ("1003", "signed_out", 2),
    ]
    counts = await node.floor.counts()
    assert {name: count for name, count in counts.items() if count} == {
        "waiting": 1,
        "offers": 1,
        "not_ready": 1,
        "reserved": 1,
        "signed_out": 1,
    }
    assert set(State) < set(counts)


# Two nodes


async def test_an_agent_takes_calls_of_another_node(two_nodes: list[Node], clock: Clock) -> None:
    first, second = two_nodes
    await first.floor.enqueue("c1", arrived_at=clock.now)

    await second.ready_agent("1001")

    await until(lambda: first.offers)  # the wake-up travels
    assert second.offers == []
    assert await first.floor.talking(first.offers[0])
    assert await second.state("1001") == "talking"


async def test_a_dead_node_loses_its_calls_and_its_agents_are_freed(
    two_nodes: list[Node], clock: Clock
) -> None:
    dying, living = two_nodes
    for agent_id in ("1001", "1002"):
        await living.ready_agent(agent_id)
        clock.now += 1
    for call_id in ("talking", "ringing", "waiting"):
        await dying.floor.enqueue(call_id, arrived_at=clock.now)
    await dying.floor.talking(dying.offers[0])
    await dying.floor.ringing(dying.offers[1])

    clock.now += 14
    await living.floor.beat()
    assert await living.state("1001") == "talking"
    clock.now += 1
    await living.floor.beat()

    assert await living.state("1001") == "wrap_up"
    presence = await living.floor.presence("1002")
    assert presence is not None
    assert (presence.state, presence.ready_since) == (State.READY, clock.now - 16)
    assert (await living.floor.counts())["waiting"] == 0
    states = [(one.agent_id, one.state.value) for one in living.presences[-2:]]
    assert states == [("1002", "ready"), ("1001", "wrap_up")]


async def test_who_comes_back_first_a_second_time_buries_nobody_either(
    two_nodes: list[Node], clock: Clock
) -> None:
    first, other = two_nodes
    await other.ready_agent("1001")
    await other.floor.enqueue("c1", arrived_at=clock.now)
    await other.floor.talking(other.offers[0])

    clock.now += 40  # nobody reached Redis
    await first.floor.beat()
    clock.now += 40  # and again nobody did, before the other had told
    await first.floor.beat()
    assert await first.state("1001") == "talking"

    await other.floor.beat()
    clock.now += FloorTimes().grace
    await first.floor.beat()
    await other.floor.beat()
    assert await first.state("1001") == "talking"


async def test_a_node_that_leaves_frees_its_agents_at_once(
    two_nodes: list[Node], clock: Clock
) -> None:
    leaving, staying = two_nodes
    await staying.ready_agent("1001")
    await leaving.floor.enqueue("c1", arrived_at=clock.now)
    await leaving.floor.close()
    assert await staying.state("1001") == "ready"
