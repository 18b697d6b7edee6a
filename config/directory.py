"""The settings of whom citizens dial and whom agents call."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from config.lists import split
from config.section import Section
from config.values import Hours, Name, Numbers, Patterns, Seconds, Text, empty_is_none


class LineSettings(Section):
    """A number that citizens dial."""

    name: Text
    """Its name on the agent's screen."""
    skill: Text
    """The skill an agent needs to be offered its calls."""


TicketField = Literal[
    "name",
    "title",
    "phone",
    "address",
    "type",
    "category",
    "topic",
    "time",
    "urgent",
    "urgency",
    "urgency_reason",
    "secret",
    "repeat",
    "party",
    "content",
]


class PartnerSettings(Section):
    """Somebody outside whom calls go to: 110, 120, another city's hotline.

    As with trunks there are as many as the operator makes, with defaults of their own.
    """

    name: Text
    """Its name on the agents' screens."""
    numbers: Annotated[Numbers, Field(min_length=1)]
    """Its numbers, tried in this order."""
    topics: Annotated[tuple[Text, ...], BeforeValidator(split)] = ()
    """Its skills: what it is called for. Agents find it by them."""
    trunks: Annotated[tuple[Name, ...], BeforeValidator(split)] = ()
    """The trunks that lead to it; none: any."""
    hours: Annotated[Hours | None, BeforeValidator(empty_is_none)] = None
    """When it takes calls, ``08:30-17:30``, China time; None: day and night."""
    tell_withheld: bool = False
    """Whether it is told the number of a caller who withholds it."""
    calls_from: Annotated[tuple[Name, ...], BeforeValidator(split)] = ()
    """Its own trunks: a call by one is its (green channel); to others nothing goes out by them."""
    shares: Annotated[tuple[TicketField, ...], BeforeValidator(split)] = ()
    """The fields of a ticket that it may be given; none: tickets are not exchanged with it."""
    one_key: Literal["blind", "consult", "conference"] = "blind"
    """What the agent's one key for it does with a call."""


class DialingSettings(Section):
    """What may be called besides partners, lines and agents; each pattern matches whole numbers."""

    agent: Patterns
    """The numbers that agents may call."""
    supervisor: Patterns
    """The numbers that supervisors may call."""
    admin: Patterns
    """The numbers that administrators may call."""
    ring_seconds: Seconds
    """How long each number outside rings."""
    echo: Annotated[str, StringConstraints(pattern=r"^[0-9*#]{0,16}$")]
    """The number by which a phone hears itself; empty: there is none."""
