"""A node that comes to the floor, or comes back to it, and says what it knows of agents and calls.

Redis may have started anew, or the node was cut off from it: what several nodes say is joined here,
and where two calls claim an agent it is settled who has him.
"""

from collections.abc import Iterable
from dataclasses import replace

from agents.commands import Call
from agents.floor_table import FloorTable, Turn
from agents.presence import HELD, Input, Presence, State


def restore(
    table: FloorTable,
    turn: Turn,
    agents: Iterable[Presence],
    calls: Iterable[Call],
    token: int,
) -> None:
    """Begin a node's life here, or its new life: what it knows replaces what is known of it."""
    table.token = max(table.token, token)
    touched = set()
    _, old = table.known_to(turn.node)
    for call in old:
        touched.add(call.agent_id or "")
        table.put_call(turn, replace(call, state="gone"))
    table.forget_desktops(turn, turn.node)
    for agent in agents:
        touched.add(agent.agent_id)
        _restore_agent(table, turn, replace(agent, desktop=None))
        if agent.desktop == turn.node and table.agents[agent.agent_id].desktop is None:
            table.put_agent(turn, replace(table.agents[agent.agent_id], desktop=turn.node))
    for call in calls:
        _restore_call(table, turn, call)
    for agent_id in sorted(touched & table.agents.keys()):
        _free_if_lost(table, turn, table.agents[agent_id])


def _restore_agent(table: FloorTable, turn: Turn, told: Presence) -> None:
    known = table.agents.get(told.agent_id)
    held_here = told.state in HELD and told.call_node == turn.node
    if known is None:
        table.put_agent(turn, told)
        if told.state is State.TALKING and not held_here:
            _vouch_for(table, turn, told)
        return
    if known.state in HELD and known.call_node != turn.node:
        # Two calls claim him. Only a conversation is a fact; an offer can be taken back.
        if known.state is State.TALKING or not (held_here and told.state is State.TALKING):
            return
        table.take_back(turn, known)
    elif not held_here and (told.state in HELD or known.node != turn.node):
        return  # he has moved on, or another node's call had him: the floor knows better
    table.put_agent(turn, replace(told, desktop=known.desktop))


def _vouch_for(table: FloorTable, turn: Turn, told: Presence) -> None:
    """Believe in an absent node's conversation until that node speaks, or is dead.

    A node that is present has told of its calls, and if this one is not among them, it is over.
    """
    assert told.call_id is not None  # noqa: S101 -- held agents have both
    assert told.call_node is not None  # noqa: S101
    if told.call_node in table.nodes:
        return
    table.nodes[told.call_node] = turn.now + table.times.node
    call = Call(told.call_id, told.call_node, told.since, 0, "talking", told.agent_id)
    table.put_call(turn, call)


def _restore_call(table: FloorTable, turn: Turn, call: Call) -> None:
    agent = table.agents.get(call.agent_id or "")
    if call.state == "offered" and (
        agent is None or (agent.call_id, agent.call_node) != (call.call_id, turn.node)
    ):
        call = replace(call, state="waiting", agent_id=None, expires_at=None)
    call = replace(call, node=turn.node)
    table.put_call(turn, call)
    if call.state == "talking":
        _claim(table, turn, call)


def _claim(table: FloorTable, turn: Turn, call: Call) -> None:
    """Believe a node that this agent talks in its call.

    Unless a node that has not told yet had him in a conversation: then he does when that is
    known to be over.
    """
    agent = table.agent(turn, call.agent_id or "")
    if agent.state not in HELD:
        table.join(turn, agent, call)
    elif agent.call_id != call.call_id:
        table.claims[agent.agent_id] = call.call_id
        if agent.state is not State.TALKING:
            table.take_back(turn, agent)


def _free_if_lost(table: FloorTable, turn: Turn, agent: Presence) -> None:
    if agent.state not in HELD:
        return
    call = table.calls.get(agent.call_id or "")
    if call is None or call.agent_id != agent.agent_id:
        talking = agent.state is State.TALKING
        table.let_go(turn, agent, Input.HANG_UP if talking else Input.CANCELLED)
