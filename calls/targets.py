"""Whom a call can be transferred to, and whom an agent may call."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class AgentTarget:
    """One certain agent."""

    agent_id: str


@dataclass(frozen=True, slots=True)
class QueueTarget:
    """Whoever is ready next: back into the queue, before those who have not been answered yet.

    Attributes:
        line: the dialled number whose agents are wanted; "": the call's own.
        skill: what they have to be good for, whatever the line asks for.
    """

    line: str
    skill: str | None = None


@dataclass(frozen=True, slots=True)
class NumberTarget:
    """Somebody outside.

    Attributes:
        numbers: tried in this order.
        partner_id: his entry in the directory, None for a number that is in none.
        trunks: those that lead to him, by name; any when empty.
        asserts: whether he is told the number of a caller who withholds it (an emergency service).
        kind: which list he is in.
        role: of whoever wants him called, whose rights count where the other side sends the call
            on (3xx); "": nobody's.
    """

    numbers: tuple[str, ...]
    partner_id: str | None = None
    trunks: tuple[str, ...] = ()
    asserts: bool = False
    kind: Literal["partner", "expert"] = "partner"
    role: str = field(default="", compare=False)


Target = AgentTarget | QueueTarget | NumberTarget


def name_of(target: Target) -> str:
    """Return a target's public name, as events and records have it; a bare number is masked."""
    match target:
        case AgentTarget(agent_id):
            return f"agent:{agent_id}"
        case QueueTarget(_, str(skill)):
            return f"skill:{skill}"
        case QueueTarget(line):
            return f"line:{line}"
        case NumberTarget(_, str(partner_id)):
            return f"{target.kind}:{partner_id}"
        case _:
            return "number"
