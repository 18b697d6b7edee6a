"""Whom a call is offered to when it asks for skills, on every kind of floor."""

import pytest

from agents.demand import Want, agents_own
from agents.presence import PresenceError, State
from tests.support.floors import Clock, Node

ENGLISH = "english@own"
GENERAL = "general@own"
LENT = "general@linkage"


async def skilled(node: Node, agent_id: str, **levels: int) -> None:
    """Make an agent ready who has these skills, as own staff."""
    await node.ready_agent(agent_id, phones=0)
    await node.floor.set_pools(agent_id, {f"{name}@own": level for name, level in levels.items()})
    await node.floor.set_phones(agent_id, 1)


def offers(node: Node) -> list[tuple[str, str]]:
    """Return what was offered to whom."""
    return [(offer.call_id, offer.agent_id) for offer in node.offers]


async def test_the_highest_level_comes_first_then_who_has_been_ready_longest(
    node: Node, clock: Clock
) -> None:
    for agent_id, level in (("1001", 3), ("1002", 5), ("1003", 5), ("1004", 0)):
        await skilled(node, agent_id, english=level)
        clock.now += 1
    for number in range(4):
        await node.floor.enqueue(
            f"c{number}", arrived_at=clock.now + number, wants=[Want(ENGLISH, level=1)]
        )
    assert offers(node) == [("c0", "1002"), ("c1", "1003"), ("c2", "1001")]


async def test_who_lacks_the_skill_is_not_offered_the_call(node: Node, clock: Clock) -> None:
    await skilled(node, "1001", general=5)
    await node.floor.enqueue("c1", arrived_at=clock.now, wants=[Want(ENGLISH)])
    assert node.offers == []
    await node.floor.set_pools("1001", {GENERAL: 5, ENGLISH: 1})
    assert offers(node) == [("c1", "1001")]


async def test_an_agent_with_two_skills_takes_the_call_that_has_waited_longest(
    node: Node, clock: Clock
) -> None:
    await node.floor.enqueue("young", arrived_at=clock.now - 5, wants=[Want(GENERAL)])
    await node.floor.enqueue("old", arrived_at=clock.now - 9, wants=[Want(ENGLISH)])
    await skilled(node, "1001", general=5, english=1)
    assert offers(node) == [("old", "1001")]


async def test_the_rules_widen_with_waiting_time(node: Node, clock: Clock) -> None:
    wants = [Want(ENGLISH), Want(GENERAL, after=20), Want("general@vendor", after=40)]
    await node.ready_agent("2001")
    await node.floor.set_pools("2001", {"general@vendor": 9}, "vendor")
    await skilled(node, "1001", general=1)
    for number in range(2):
        await node.floor.enqueue(f"c{number}", arrived_at=clock.now, wants=wants)
    assert node.offers == []
    clock.now += 20
    await node.floor.beat()
    assert offers(node) == [("c0", "1001")]
    await node.floor.talking(node.offers[0])
    clock.now += 20
    await node.floor.beat()
    assert ("c1", "2001") in offers(node)


async def test_seats_are_lent_while_enough_are_left(node: Node, clock: Clock) -> None:
    for agent_id in ("3001", "3002"):
        await node.ready_agent(agent_id)
        await node.floor.set_pools(agent_id, {LENT: 5, "110@linkage": 5}, "linkage")
        clock.now += 1
    for number in range(2):
        await node.floor.enqueue(
            f"c{number}", arrived_at=clock.now + number, wants=[Want(LENT, keep=1)]
        )
    assert offers(node) == [("c0", "3001")]
    # the one who is kept is there for the green channel
    await node.floor.enqueue("green", arrived_at=clock.now, wants=[Want("110@linkage")])
    assert offers(node)[-1] == ("green", "3002")


async def test_whom_the_caller_knows_is_preferred_for_a_while(node: Node, clock: Clock) -> None:
    await skilled(node, "1001", general=5)
    await skilled(node, "1002", general=1)
    known = [Want(agents_own("1002")), Want(GENERAL, after=5)]
    await node.floor.enqueue("c1", arrived_at=clock.now, wants=known)
    assert offers(node) == [("c1", "1002")]
    await node.floor.enqueue("c2", arrived_at=clock.now, wants=known)
    assert len(node.offers) == 1
    clock.now += 5
    await node.floor.beat()
    assert offers(node)[-1] == ("c2", "1001")


async def test_a_point_of_priority_is_worth_a_minute_so_nobody_starves(
    node: Node, clock: Clock
) -> None:
    await node.floor.enqueue("patient", arrived_at=clock.now)
    for number in range(3):
        clock.now += 50
        await node.floor.enqueue(f"urgent{number}", arrived_at=clock.now, priority=2)
    for agent_id in ("1001", "1002", "1003", "1004"):
        await node.ready_agent(agent_id)
    assert [call_id for call_id, _ in offers(node)] == ["urgent0", "urgent1", "patient", "urgent2"]


async def test_a_place_is_among_those_who_want_the_same(node: Node, clock: Clock) -> None:
    for number, pool in enumerate((GENERAL, ENGLISH, GENERAL)):
        await node.floor.enqueue(f"c{number}", arrived_at=clock.now + number, wants=[Want(pool)])
    places = [await node.floor.position(f"c{number}") for number in range(4)]
    assert places == [1, 1, 2, 0]


async def test_the_watchdog_finds_nothing_on_a_sound_floor(node: Node, clock: Clock) -> None:
    await skilled(node, "1001", general=5)
    await node.floor.enqueue("c1", arrived_at=clock.now - 60, wants=[Want(ENGLISH)])
    assert await node.floor.stalled(5.0) == []


# Presence


async def test_losing_phone_and_desktop_makes_not_ready(node: Node, clock: Clock) -> None:
    await node.ready_agent("1001")
    await node.floor.set_desktop("1001", connected=True)
    await node.floor.set_phones("1001", 0)
    clock.now += 60
    await node.floor.beat()
    assert await node.state("1001") == "ready"

    await node.floor.set_desktop("1001", connected=False)
    clock.now += 9
    await node.floor.beat()
    assert await node.state("1001") == "ready"
    clock.now += 1
    await node.floor.beat()
    assert await node.state("1001") == "not_ready(disconnected)"


async def test_a_page_that_is_loaded_again_in_time_changes_nothing(
    node: Node, clock: Clock
) -> None:
    await node.floor.sign_in("1001")
    await node.floor.set_desktop("1001", connected=True)
    await node.floor.set_ready("1001")
    await node.floor.set_desktop("1001", connected=False)
    clock.now += 5
    await node.floor.set_desktop("1001", connected=True)
    clock.now += 60
    await node.floor.beat()
    assert await node.state("1001") == "ready"


async def test_the_desktop_of_somebody_who_is_not_on_the_floor_is_nothing(node: Node) -> None:
    assert await node.floor.set_desktop("8001", connected=True) is None
    assert await node.floor.everyone() == []


async def test_wrap_up_is_extended_once(node: Node, clock: Clock) -> None:
    await node.ready_agent("1001")
    await node.floor.enqueue("c1", arrived_at=clock.now)
    await node.floor.talking(node.offers[0])
    with pytest.raises(PresenceError):
        await node.floor.extend_wrap_up("1001")
    await node.floor.finish("1001", "c1")

    extended = await node.floor.extend_wrap_up("1001")

    assert extended.wrap_up_until == clock.now + 30 + 60
    with pytest.raises(PresenceError):
        await node.floor.extend_wrap_up("1001")
    assert (await node.floor.end_wrap_up("1001")).state is State.READY


async def test_a_second_desktop_at_another_node_takes_over(two_nodes: list[Node]) -> None:
    first, second = two_nodes
    await first.floor.sign_in("1001")
    await first.floor.set_desktop("1001", connected=True)
    await second.floor.set_desktop("1001", connected=True)
    await first.floor.set_desktop("1001", connected=False)  # told late: it is not the one any more
    presence = await second.floor.presence("1001")
    assert presence is not None
    assert presence.desktop == "b"


async def test_a_dead_nodes_desktops_are_gone(two_nodes: list[Node], clock: Clock) -> None:
    dying, living = two_nodes
    await living.floor.sign_in("1001")
    await dying.floor.set_desktop("1001", connected=True)
    await living.floor.set_ready("1001")
    for seconds in (10, 5, 10):
        clock.now += seconds
        await living.floor.beat()
    assert await living.state("1001") == "not_ready(disconnected)"
