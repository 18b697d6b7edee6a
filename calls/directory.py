"""Who can be called: partners, lines, agents, and the numbers that a role allows.

This is where toll fraud ends: what is not found here is not called, whatever a phone asks for.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from typing import Literal

from calls.errors import TransferError
from calls.experts import Expert, Experts
from calls.targets import AgentTarget, NumberTarget, QueueTarget, Target

_CHINA = timedelta(hours=8)
_NUMBER = re.compile(r"\+?[0-9]{1,20}")
_AGENT = re.compile(r"[0-9A-Za-z._-]{1,32}")


OneKey = Literal["blind", "consult", "conference"]


@dataclass(frozen=True, slots=True)
class Partner:
    """Somebody outside whom calls go to: 110, another city's hotline.

    Attributes:
        id: what he goes by.
        name: on the agents' screens.
        numbers: tried in this order.
        topics: what he is called for; agents find him by them.
        trunks: those that lead to him; any when empty.
        opens: from when he takes calls, China time; with ``closes`` None: day and night.
        closes: until when.
        asserts: whether he is told the number of a caller who withholds it.
        calls_from: trunks of his own: whoever calls by one of them is he (the green channel).
        one_key: what pressing his one key does with a call.
        shares: the fields of a ticket that he may be given, in drafts and in exchange.
    """

    id: str
    name: str
    numbers: tuple[str, ...]
    trunks: tuple[str, ...] = ()
    opens: time | None = None
    closes: time | None = None
    asserts: bool = False
    calls_from: tuple[str, ...] = ()
    shares: tuple[str, ...] = ()
    one_key: OneKey = "blind"
    topics: tuple[str, ...] = ()

    def is_open(self, now: float) -> bool:
        """Tell whether he takes calls at a Unix time."""
        if self.opens is None or self.closes is None:
            return True
        clock = (datetime.fromtimestamp(now, UTC) + _CHINA).time()
        if self.opens <= self.closes:
            return self.opens <= clock < self.closes
        return clock >= self.opens or clock < self.closes  # over midnight


class Directory:
    """All who can be called.

    Args:
        partners: in the order in which they are listed.
        lines: the dialled numbers that calls can be passed on to.
        experts: specialists who can be asked.
        allowed: role → patterns of the numbers that it may call besides; each must match a number
            as a whole.
        skills: those whose agents calls can be passed on to, as they are now.
    """

    def __init__(
        self,
        *,
        partners: Sequence[Partner] = (),
        lines: Sequence[str] = (),
        experts: Sequence[Expert] = (),
        allowed: Mapping[str, Sequence[str]] | None = None,
        skills: Callable[[], Collection[str]] = tuple,
    ) -> None:
        self.partners = tuple(partners)
        self.experts = Experts(experts)
        self._lines = frozenset(lines)
        self.skills = skills
        self._allowed = {
            role: tuple(re.compile(pattern) for pattern in patterns)
            for role, patterns in (allowed or {}).items()
        }

    def take(self, *, partners: Sequence[Partner], experts: Sequence[Expert]) -> None:
        """Know others from now on; who is being called already still is."""
        self.partners = tuple(partners)
        self.experts = Experts(experts)

    def find(  # noqa: C901 - one arm per kind of target, nothing else
        self, asked: str, *, role: str, now: float
    ) -> Target:
        """Return whom somebody of this role gets.

        Args:
            asked: ``partner:110``, ``expert:water``, ``line:12345``, ``skill:english``,
                ``agent:1002``, ``number:05125353…``; or what a phone dials, which is looked for
                among all of these but experts and skills, in this order but for agents, who come
                last: their numbers are nobody else's.
            role: agent, supervisor or admin.
            now: Unix seconds.

        Raises:
            TransferError: ``unknown_target``, ``target_not_allowed`` or ``target_closed``.
        """
        kind, colon, name = asked.partition(":")
        if not colon:
            kind, name = "", asked
        if kind not in {"", "partner", "line", "skill", "agent", "number", "expert"}:
            raise TransferError("unknown_target")
        if kind in {"", "partner"} and (partner := self._partner(name, by_number=not kind)):
            if not partner.is_open(now):
                raise TransferError("target_closed")
            return NumberTarget(
                partner.numbers,
                partner.id,
                trunks=partner.trunks,
                asserts=partner.asserts,
                role=role,
            )
        if kind == "expert":
            expert = self.experts.find(name, now=now)
            return replace(expert, role=role) if isinstance(expert, NumberTarget) else expert
        if kind == "skill" and name in self.skills():
            return QueueTarget("", name)
        if kind in {"", "line"} and name in self._lines:
            return QueueTarget(name)
        if kind in {"", "number"} and _NUMBER.fullmatch(name):
            if self._allows(name, role):
                return NumberTarget((name,), role=role)
            if kind:
                raise TransferError("target_not_allowed")
        if kind in {"", "agent"} and _AGENT.fullmatch(name):
            return AgentTarget(name)
        raise TransferError("unknown_target")

    def may_be_sent_to(self, role: str, number: str) -> bool:
        """Tell whether a call that somebody of this role wants may be sent on to a number (3xx)."""
        return self._partner(number, by_number=True) is not None or self._allows(number, role)

    def _allows(self, number: str, role: str) -> bool:
        return any(pattern.fullmatch(number) for pattern in self._allowed.get(role, ()))

    def number_of(self, asked: str, *, now: float) -> NumberTarget:
        """Return a partner whom the routing document names as ``partner:wuxi``.

        Raises:
            TransferError: ``unknown_target`` or ``target_closed``.
        """
        target = self.find(asked, role="", now=now)
        if not isinstance(target, NumberTarget):
            raise TransferError("unknown_target")
        return target

    def partner_at(self, trunk: str | None) -> Partner | None:
        """Return the partner whose own trunk this is, None for everybody's."""
        return next((partner for partner in self.partners if trunk in partner.calls_from), None)

    def partner(self, partner_id: str) -> Partner | None:
        """Return a partner by what he goes by."""
        return self._partner(partner_id, by_number=False)

    def one_key(self, partner_id: str) -> OneKey:
        """Return what pressing a partner's one key does with a call.

        Raises:
            TransferError: ``unknown_target``.
        """
        partner = self._partner(partner_id, by_number=False)
        if partner is None:
            raise TransferError("unknown_target")
        return partner.one_key

    def _partner(self, name: str, *, by_number: bool) -> Partner | None:
        for partner in self.partners:
            if name == partner.id or (by_number and name in partner.numbers):
                return partner
        return None
