"""Specialists who can be pulled into a call: what they know, and when they are on duty."""

from collections.abc import Sequence
from dataclasses import dataclass

from calls.duty import Duty
from calls.errors import TransferError
from calls.targets import AgentTarget, NumberTarget, Target


@dataclass(frozen=True, slots=True)
class Expert:
    """A specialist.

    Attributes:
        id: what he goes by.
        name: on the agents' screens.
        topics: what he is asked about.
        agent: his number on the floor, if he has one.
        numbers: where he is called otherwise, tried in this order.
        duty: when; empty: day and night.
    """

    id: str
    name: str
    topics: tuple[str, ...] = ()
    agent: str | None = None
    numbers: tuple[str, ...] = ()
    duty: tuple[Duty, ...] = ()

    def on_duty(self, now: float) -> bool:
        """Tell whether he can be asked at a Unix time."""
        return not self.duty or any(stretch.covers(now) for stretch in self.duty)

    @property
    def target(self) -> Target:
        """How he is called."""
        if self.agent is not None:
            return AgentTarget(self.agent)
        return NumberTarget(self.numbers, self.id, kind="expert")


class Experts:
    """All of them, in the order in which they are listed."""

    def __init__(self, experts: Sequence[Expert] = ()) -> None:
        self._experts = {expert.id: expert for expert in experts}

    def find(self, name: str, *, now: float) -> Target:
        """Return how an expert is called.

        Raises:
            TransferError: ``unknown_target``, or ``target_closed`` when he is off duty.
        """
        expert = self._experts.get(name)
        if expert is None:
            raise TransferError("unknown_target")
        if not expert.on_duty(now):
            raise TransferError("target_closed")
        return expert.target

    def listed(self, *, now: float, topic: str = "") -> list[tuple[Expert, bool]]:
        """Return those who know a topic (or have it in their name), and whether on duty."""
        return [
            (expert, expert.on_duty(now))
            for expert in self._experts.values()
            if topic in expert.name or any(topic in known for known in expert.topics)
        ]
