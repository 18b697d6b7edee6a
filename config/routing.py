"""Who gets which calls: skills, groups, lines with opening hours, rules, reasons for breaks.

One document. The configuration file brings the first; from then on administrators may change it
over the API, and what they change stands in the database (``calls/routing_book.py``). So it is
checked here as a whole: what one table names in another must be there.

Its inner tables have defaults of their own: the operator makes as many as he needs.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from config.lists import split

ANY_SKILL = "*"
"""An agent who has this skill has every skill."""


MOST_SETS = 64
"""So many sets of skills can the callers' tables make together: six tables of different skills."""


def _levels(value: object) -> object:
    """Read ``["english=5", "general"]``, which a variable can hold as well; no level is 1."""
    parts = split(value)
    if not isinstance(parts, list | tuple):
        return parts
    pairs = [str(part).partition("=") for part in parts]
    return {name.strip(): level.strip() or "1" for name, _, level in pairs}


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"a regular expression ({error})") from error
    return value


_SPAN = r"([01]\d|2[0-3]):[0-5]\d-(([01]\d|2[0-3]):[0-5]\d|24:00)"

Skill = Annotated[str, StringConstraints(pattern=r"^[^\s=;|@+*,]{1,32}$")]
Group = Skill
AgentsNumber = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,32}$")]
Dialled = Annotated[str, StringConstraints(pattern=r"^\+?[0-9]{1,20}$")]
Key = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,32}$")]
Level = Annotated[int, Field(ge=0, le=9)]
Seconds = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]
Points = Annotated[int, Field(ge=-1000, le=1000)]
Skills = Annotated[tuple[Skill, ...], BeforeValidator(split), Field(max_length=8)]
Groups = Annotated[tuple[Group, ...], BeforeValidator(split)]
AgentSkills = Annotated[
    dict[
        Annotated[str, StringConstraints(pattern=r"^(\*|[^\s=;|@+*,]{1,32})$")],
        Level,
    ],
    BeforeValidator(_levels),
]
OpenSpan = Annotated[str, StringConstraints(pattern=rf"^([1-7](-[1-7])? )?{_SPAN}$")]
Label = Annotated[str, StringConstraints(max_length=64)]
PartnerTarget = Annotated[str, StringConstraints(pattern=r"^partner:[A-Za-z0-9._-]{1,32}$")]


class RoutingTable(BaseModel):
    """A table of the document: frozen, and without room for unknown options."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class GroupRouting(RoutingTable):
    """Agents who belong together: own staff, a vendor's, the linkage seats."""

    name: Label = ""
    """What it is called on screens."""
    kind: Literal["own", "outsourced", "linkage"] = "own"
    """Linkage seats (联动席) are for the green channel; rules must name them to borrow them."""
    keep: Annotated[int, Field(ge=0, le=1000)] = 0
    """So many of its ready agents are left to those who need not borrow them."""


class RuleStep(RoutingTable):
    """Whom a call may have from some time of waiting on, besides those before.

    With ``to`` or ``call_back`` it is a last resort instead: the search for our own agents ends.
    """

    after: Seconds = 0.0
    """Seconds since the call arrived."""
    skills: Skills = ()
    """In place of the skills that the call asks for (a neighbour skill); empty: those."""
    level: Level = 0
    """The least level."""
    groups: Groups = ()
    """Of these groups; empty: of every group but linkage seats."""
    lent: bool = False
    """Borrowed: only while the group has more ready agents than it keeps."""
    to: PartnerTarget | None = None
    """The call goes to this partner, another city's hotline; back to our agents if he cannot."""
    call_back: bool = False
    """The caller is told that he will be called back, and is on the call-back list."""

    @property
    def last_resort(self) -> bool:
        """Whether it is about something else than our own agents."""
        return self.to is not None or self.call_back

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        ours = bool(self.skills or self.groups or self.level or self.lent)
        if self.last_resort and (ours or (self.to is not None and self.call_back)):
            raise ValueError("either agents, or to, or call_back in one step")
        return self


class Rule(RoutingTable):
    """How the choice of agents widens while a call waits."""

    steps: Annotated[tuple[RuleStep, ...], Field(min_length=1, max_length=10)]
    """In any order; each adds agents, or is a last resort."""
    priority: Points = 0
    """Added to that of calls by this rule."""

    @model_validator(mode="after")
    def _has_agents(self) -> Self:
        if all(step.last_resort for step in self.steps):
            raise ValueError("a step that names agents")
        return self


class LineRouting(RoutingTable):
    """What calls to one dialled number ask for."""

    skills: Skills = ()
    """All of these; empty: the line's skill in the configuration."""
    language: Skill | None = None
    """A skill as well, of the language spoken there."""
    rule: Key = "usual"
    """Which rule widens the choice."""
    priority: Points = 0
    """A point is worth agents.ageing_seconds of waiting."""
    hours: Annotated[tuple[OpenSpan, ...], BeforeValidator(split)] = ()
    """When it is open, China time: "08:30-17:30", or with weekdays "1-5 08:30-17:30"."""
    on_holidays: bool = True
    """Whether it is open on public holidays as well."""
    closed: Literal["refuse", "queue", "announce", "call_back"] = "refuse"
    """What happens to calls outside of these hours: refused (480), as usual, told that it is closed
    and hung up, or told so and put on the call-back list."""


class CallerRouting(RoutingTable):
    """What calls from certain numbers ask for besides."""

    number: Annotated[
        str, StringConstraints(min_length=1, max_length=200), AfterValidator(_pattern)
    ]
    """A regular expression that matches the whole number."""
    skills: Skills = ()
    """Further skills."""
    priority: Points = 0
    """Added to the line's."""


class AgentRouting(RoutingTable):
    """What one agent is good for."""

    skills: AgentSkills = Field(default_factory=dict)
    """Skill → level, 0 to 9; "*": every skill. Empty: routing.default_skills."""
    group: Group | None = None
    """The group; none: that of the account, or else routing.default_group."""


class ReasonRouting(RoutingTable):
    """A reason for not being ready."""

    name: Label
    """What it is called on screens."""
    minutes: Annotated[int, Field(ge=0, le=1440)] = 0
    """How much of it a day (in China) is meant, shown to agents; 0: as much as they need."""
    strict: bool = False
    """Whether it cannot be chosen any more when that is used up; else it is only told of."""


class RoutingSettings(RoutingTable):
    """The whole document."""

    default_skills: AgentSkills
    """Of agents who have no table of their own."""
    default_group: Group
    """The group of agents for whom nothing names one."""
    preferred_days: Annotated[int, Field(ge=0, le=365)]
    """The agent who spoke with the caller within so many days is preferred; 0: nobody is."""
    preferred_seconds: Seconds
    """For so long."""
    call_back_priority: Points
    """Points more for a caller who is owed a call: he asked for one, or was promised it, or our
    fault had cut him off."""
    partner_rule: Key
    """The rule for calls from a partner's own trunk (110's green channel), whatever the line's."""
    holidays: Annotated[tuple[date, ...], BeforeValidator(split)]
    """Days on which lines without on_holidays are closed."""
    groups: dict[Group, GroupRouting]
    """Groups of agents."""
    rules: dict[Key, Rule]
    """How the choice widens."""
    lines: dict[Dialled, LineRouting]
    """What calls to a number ask for."""
    callers: dict[Key, CallerRouting]
    """What certain callers ask for."""
    agents: dict[AgentsNumber, AgentRouting]
    """What agents are good for."""
    reasons: dict[Skill, ReasonRouting]
    """Why agents may be not ready."""

    @model_validator(mode="before")
    @classmethod
    def _as_stored(cls, document: object) -> object:
        """Read what was stored before there was a ``call_back_priority``."""
        if isinstance(document, Mapping) and "call_back_priority" not in document:
            return {**document, "call_back_priority": 0}
        return document

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        groups = [("default_group", self.default_group)]
        for key, rule in self.rules.items():
            for at, step in enumerate(rule.steps):
                groups += ((f"rules.{key}.steps.{at}.groups", group) for group in step.groups)
        groups += (
            (f"agents.{key}.group", one.group) for key, one in self.agents.items() if one.group
        )
        _all_there(groups, self.groups, "group")
        rules = [("rules", "usual"), ("partner_rule", self.partner_rule)]
        rules += ((f"lines.{key}.rule", line.rule) for key, line in self.lines.items())
        _all_there(rules, self.rules, "rule")
        _not_too_many(self.callers)
        return self


def _not_too_many(callers: Mapping[str, CallerRouting]) -> None:
    """Refuse callers' tables of whose skills more sets could come together than pools can be had.

    A caller may match several tables, and agents are listed for every set: with n tables of
    different skills there are 2^n.
    """
    sets = {frozenset[str]()}
    for key, caller in callers.items():
        sets |= {known.union(caller.skills) for known in sets}
        if len(sets) > MOST_SETS:
            raise ValueError(
                f"callers.{key}: callers could ask for more than {MOST_SETS} sets of skills;"
                " give fewer tables skills that others do not have"
            )


def _all_there(named: Iterable[tuple[str, str]], known: Mapping[str, object], what: str) -> None:
    """Refuse names of what is not there; the message begins with the field that has the name."""
    for field, name in named:
        if name not in known:
            raise ValueError(f"{field}: a {what} that there is, not {name}")
