"""From the routing document to what the floor understands: a call's wants, an agent's pools. Pure.

A pool is a set of skills in a group, ``english+enterprise@own``. Which sets can be asked for
follows from the document, so an agent is listed in those that he has all of, at the lowest of his
levels there, and the floor never has to look for two skills at once.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Literal

from agents.demand import Want, agents_own
from config.routing import ANY_SKILL, LineRouting, RoutingSettings, RuleStep

_CHINA = timedelta(hours=8)
_LONGEST_NAMES = 47
"""Characters; with @ and a group's 32 they are what `agents.demand.check_pool` allows."""

Skills = frozenset[str]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done with a call.

    Attributes:
        wants: whom it may have, and from when on.
        priority: its points.
        skills: what it asks for, for those who count.
        closed: what happens to it outside of opening hours; None: the line is open.
        resorts: what is done when nobody answers, in the order of time.
        past: what it was made of beside the rules.
    """

    wants: tuple[Want, ...]
    priority: int = 0
    skills: tuple[str, ...] = ()
    closed: Literal["refuse", "queue", "announce", "call_back"] | None = None
    resorts: tuple["Resort", ...] = ()
    past: "Past | None" = None


@dataclass(frozen=True, slots=True)
class Resort:
    """What is done with a call that none of our own agents has answered.

    Attributes:
        after: seconds since it arrived.
        to: the partner whom it goes to, ``partner:wuxi``; None: the caller will be called back.
    """

    after: float
    to: str | None


@dataclass(frozen=True, slots=True)
class Past:
    """What is known of a caller from his last answered call, and from the call-back list.

    Attributes:
        agent_id: who spoke with him, if that one can be waited for now; else None.
        line: the number that he dialled.
        owed: he is owed a call: he asked for one, was promised it, or was cut off by our fault.
    """

    agent_id: str | None
    line: str
    owed: bool = False


class RoutingPlan:
    """A routing document, ready for questions.

    Args:
        settings: the document.
        lines: dialled number → the skill that the configuration gives it.
    """

    def __init__(self, settings: RoutingSettings, lines: Mapping[str, str]) -> None:
        self.settings = settings
        self._lines = {
            number: settings.lines.get(number, LineRouting())
            for number in {*lines, *settings.lines}
        }
        self._base = {
            number: self._asked_by(line, lines.get(number, ""))
            for number, line in self._lines.items()
        }
        self._callers = [
            (re.compile(caller.number), caller) for caller in settings.callers.values()
        ]
        self.skills = self._all_skills()
        self._demands = self._all_demands()

    @staticmethod
    def _asked_by(line: LineRouting, configured: str) -> Skills:
        skills = set(line.skills) or ({configured} if configured else set())
        return frozenset(skills | ({line.language} if line.language else set()))

    def _all_skills(self) -> frozenset[str]:
        """Return every skill that anything names: calls can be transferred to each."""
        named = {skill for base in self._base.values() for skill in base}
        named |= {skill for _, caller in self._callers for skill in caller.skills}
        agents = (agent.skills for agent in self.settings.agents.values())
        for skills in (self.settings.default_skills, *agents):
            named |= set(skills)
        for rule in self.settings.rules.values():
            named |= {skill for step in rule.steps for skill in step.skills}
        return frozenset(named - {ANY_SKILL})

    def _all_demands(self) -> frozenset[Skills]:
        """Return every set of skills that a call can ask for."""
        further = {frozenset[str]()}
        for _, caller in self._callers:
            # (a caller may match several)
            further |= {known | set(caller.skills) for known in further}
        languages = {line.language for line in self._lines.values() if line.language}
        further |= {known | {language} for known in further for language in languages}
        bases = {frozenset[str](), *self._base.values()}
        demands = {base | more for base in bases for more in further}
        for rule in self.settings.rules.values():
            demands |= {frozenset(step.skills) for step in rule.steps if step.skills}
        demands |= {frozenset({skill}) for skill in self.skills}
        return frozenset(demands)

    @property
    def reserved(self) -> frozenset[str]:
        """The groups that are there for the green channel: linkage seats."""
        groups = self.settings.groups.items()
        return frozenset(key for key, group in groups if group.kind == "linkage")

    # -- calls -------------------------------------------------------------------------------------

    def plan(
        self,
        line: str,
        caller: str | None = None,
        *,
        now: float,
        past: Past | None = None,
        partner: bool = False,
        skill: str | None = None,
    ) -> Plan:
        """Say what is done with a call.

        Args:
            line: the dialled number.
            caller: his number, if he shows it.
            now: Unix seconds.
            past: what is known of him.
            partner: a partner calls, by his own trunk: the green channel, which is never closed.
            skill: what is asked for instead of what the line asks for (a transfer to a skill).
        """
        routing = self._lines.get(line, LineRouting())
        rule_name = self.settings.partner_rule if partner else routing.rule
        if skill is not None:
            return Plan(self._wants(frozenset({skill}), rule_name), skills=(skill,))
        skills = set(self._base.get(line, ()))
        priority = routing.priority + self.settings.rules[rule_name].priority
        for pattern, rule in self._callers:
            if caller is not None and pattern.fullmatch(caller):
                skills.update(rule.skills)
                priority += rule.priority
        if past is not None and past.owed:
            priority += self.settings.call_back_priority
        if past is not None and past.line in self._lines:
            language = self._lines[past.line].language
            if language is not None and routing.language is None:
                skills.add(language)  # he spoke it last time
        wants = self._wants(frozenset(skills), rule_name)
        if past is not None and past.agent_id is not None and self.settings.preferred_seconds:
            pause = self.settings.preferred_seconds
            later = (
                Want(want.pool, max(want.after, pause), want.level, want.keep) for want in wants
            )
            wants = (Want(agents_own(past.agent_id)), *later)
        closed = None if partner or self._is_open(routing, now) else routing.closed
        return Plan(wants, priority, tuple(sorted(skills)), closed, self._resorts(rule_name), past)

    def _resorts(self, rule: str) -> tuple[Resort, ...]:
        steps = sorted(self.settings.rules[rule].steps, key=lambda step: step.after)
        return tuple(Resort(step.after, step.to) for step in steps if step.last_resort)

    def _wants(self, skills: Skills, rule: str) -> tuple[Want, ...]:
        return tuple(
            Want(
                pool_name(frozenset(step.skills) or skills, group),
                step.after,
                step.level,
                self.settings.groups[group].keep if step.lent else 0,
            )
            for step in sorted(self.settings.rules[rule].steps, key=lambda step: step.after)
            if not step.last_resort
            for group in self._groups(step)
        )

    def _groups(self, step: RuleStep) -> tuple[str, ...]:
        usual = (key for key in self.settings.groups if key not in self.reserved)
        return step.groups or tuple(usual)

    def _is_open(self, line: LineRouting, now: float) -> bool:
        moment = datetime.fromtimestamp(now, UTC) + _CHINA
        if not line.on_holidays and moment.date() in self.settings.holidays:
            return False
        spans = [_read_span(span) for span in line.hours]
        return not spans or any(span.holds(moment) for span in spans)

    # -- agents ------------------------------------------------------------------------------------

    def profile(self, agent_id: str, group: str | None = None) -> tuple[dict[str, int], str]:
        """Return an agent's pools with levels, and his group.

        Args:
            agent_id: his number.
            group: the group of his account.
        """
        own = self.settings.agents.get(agent_id)
        skills = (own.skills if own else None) or self.settings.default_skills
        if own is not None and own.group is not None:
            group = own.group
        elif group not in self.settings.groups:
            group = self.settings.default_group
        pools = {}
        for demand in self._demands:
            levels = [skills.get(skill, skills.get(ANY_SKILL)) for skill in demand]
            had = [level for level in levels if level is not None]
            if len(had) == len(levels):
                pools[pool_name(demand, group)] = min(had, default=0)
        return pools, group


def pool_name(skills: Skills, group: str) -> str:
    """Return the pool of those of a group who have all of these skills.

    Skills whose names are too long together for a pool's are known by their hash: a call that asks
    for many is routed like any other.
    """
    named = "+".join(sorted(skills))
    if len(named) > _LONGEST_NAMES:
        named = "#" + sha256(named.encode()).hexdigest()[: _LONGEST_NAMES - 1]
    return f"{named}@{group}"


@dataclass(frozen=True, slots=True)
class _Span:
    first_day: int
    last_day: int
    opens: str
    closes: str

    def holds(self, moment: datetime) -> bool:
        clock = f"{moment:%H:%M}"
        if self.opens < self.closes:
            return self._on(moment) and self.opens <= clock < self.closes
        # over midnight: what begins on a day belongs to it
        began = moment if clock >= self.opens else moment - timedelta(days=1)
        return self._on(began) and (clock >= self.opens or clock < self.closes)

    def _on(self, moment: datetime) -> bool:
        day = moment.isoweekday()
        if self.first_day <= self.last_day:
            return self.first_day <= day <= self.last_day
        return day >= self.first_day or day <= self.last_day


def _read_span(text: str) -> _Span:
    days, _, clock = text.rpartition(" ")
    first, _, last = (days or "1-7").partition("-")
    opens, closes = clock.split("-")
    return _Span(int(first), int(last or first), opens, closes)
