"""The fields of a ticket: their names, what they may hold, and how a correction is checked.

Every field carries where its value came from and the words it was read from, so that an agent sees
at a glance why a draft says what it says.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from tickets.tree import SHIPPED, CategoryTree

Source = Literal["heard", "caller_id", "history", "agent", "partner"]

TYPES = ("咨询", "求助", "投诉", "举报", "建议", "表扬")
TITLES = ("先生", "女士")
URGENCIES = ("普通", "一般", "紧急", "特急")
PARTNERS = ("110", "119", "120", "122")
FIELDS = (
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
    "transfer",
    "secret",
    "repeat",
    "party",
    "content",
)
"""Every field, in the order in which forms show them."""

AS_SAID = frozenset({"name", "phone", "address", "time", "party"})
"""Fields that hold words as they were said; all others hold one of ours, or a summary."""

_CHOICES: Mapping[str, tuple[str, ...]] = {
    "title": TITLES,
    "type": TYPES,
    "urgency": URGENCIES,
    "transfer": PARTNERS,
}
_LENGTHS: Mapping[str, int] = {
    "name": 40,
    "address": 200,
    "topic": 100,
    "time": 60,
    "party": 100,
    "urgency_reason": 200,
    "content": 10_000,
}
_MAY_BE_EMPTY = frozenset(
    {"name", "title", "phone", "address", "topic", "time", "transfer", "urgency_reason", "party"}
)
_PHONE = re.compile(
    r"1[3-9]\d{9}"  # mobile
    r"|0\d{2,3}\d{7,8}"  # landline with its area code
    r"|[2-8]\d{6,7}"  # landline of this city
    r"|[48]00\d{7}"  # an enterprise's number
    r"|\+[1-9]\d{6,14}"  # abroad, E.164
)


class TicketError(Exception):
    """A correction that a ticket cannot hold; nothing was changed.

    Attributes:
        field: the field's name as given.
        code: ``unknown_field``, ``wrong_kind``, ``not_a_choice``, ``bad_phone``, ``too_long`` or
            ``required``.
    """

    def __init__(self, field: str, code: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.code = code


@dataclass(frozen=True, slots=True)
class Passage:
    """Where in the recording words were said.

    Attributes:
        leg: ``caller`` or ``agent``.
        start: seconds since the answer.
        end: seconds since the answer.
        bits: start and end of each breath's share, where it is known that these are all; between
            them other things may have been said.
    """

    leg: str
    start: float
    end: float
    bits: tuple[tuple[float, float], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return it JSON-ready."""
        bits = [[start, end] for start, end in self.bits]
        return {"leg": self.leg, "start": self.start, "end": self.end, "bits": bits}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Make the passage again that ``to_dict`` wrote down, in this or an earlier version."""
        bits = tuple((start, end) for start, end in data.get("bits", ()))
        return cls(data["leg"], data["start"], data["end"], bits)


@dataclass(frozen=True, slots=True)
class FieldValue:
    """What a field holds.

    Attributes:
        value: str, bool or None.
        source: ``heard`` in the talk, ``caller_id`` of the call, ``history`` of the caller's
            earlier tickets, ``agent`` who corrected it, or ``partner`` who handed it over.
        evidence: the words it was read from, or None.
        confidence: 0 to 1, how sure; None of a field that nobody has said anything about.
        passage: where the words were said, or None.
    """

    value: Any
    source: Source
    evidence: str | None = None
    confidence: float | None = None
    passage: Passage | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return ``{"value", "source", "evidence", "confidence", "passage"}``."""
        # asdict() would copy each value: a draft has two dozen fields, and is stored in every call.
        passage = self.passage
        return {
            "value": self.value,
            "source": self.source,
            "evidence": self.evidence,
            "confidence": self.confidence,
            "passage": None if passage is None else passage.to_dict(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Make the value again that ``to_dict`` wrote down, in this or an earlier version."""
        passage = data.get("passage")
        return cls(
            data["value"],
            data["source"],
            data.get("evidence"),
            data.get("confidence"),
            Passage.from_dict(passage) if passage else None,
        )


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field took a new value (or the same value from a new source, or with more confidence)."""

    field: str
    now: FieldValue

    @property
    def value(self) -> Any:
        """What the field holds now."""
        return self.now.value

    @property
    def source(self) -> Source:
        """Who set it."""
        return self.now.source

    @property
    def evidence(self) -> str | None:
        """The words it was read from."""
        return self.now.evidence


def check(field: str, value: object, tree: CategoryTree = SHIPPED) -> str | bool | None:
    """Return ``value`` as the field would store it.

    Args:
        field: its name.
        value: what it should hold.
        tree: the categories there are.

    Raises:
        TicketError: the field does not exist or cannot hold the value.
    """
    if field not in FIELDS:
        raise TicketError(field, "unknown_field", f"there is no field {field!r}")
    if field in {"urgent", "secret", "repeat"}:
        if not isinstance(value, bool):
            raise TicketError(field, "wrong_kind", f"{field} must be true or false, not {value!r}")
        return value
    if value is None or (isinstance(value, str) and not value.strip()):
        return _checked_empty(field)
    if not isinstance(value, str):
        raise TicketError(field, "wrong_kind", f"{field} must be text, not {value!r}")
    text = value.strip()
    if field == "phone":
        return _checked_phone(text)
    if field in _CHOICES or field == "category":
        allowed = tree.names if field == "category" else _CHOICES[field]
        if text not in allowed:
            choices = ", ".join(allowed)
            raise TicketError(field, "not_a_choice", f"{field} is one of {choices}; not {text!r}")
        return text
    if len(text) > _LENGTHS[field]:
        limit = _LENGTHS[field]
        raise TicketError(field, "too_long", f"{field} holds at most {limit} characters")
    return text


def _checked_empty(field: str) -> str | None:
    if field in _MAY_BE_EMPTY:
        return None
    if field == "content":
        return ""
    raise TicketError(field, "required", f"{field} cannot be empty")


def _checked_phone(text: str) -> str:
    digits = re.sub(r"[\s()（）-]", "", text)
    if not _PHONE.fullmatch(digits):
        raise TicketError("phone", "bad_phone", f"{text!r} is not a complete telephone number")
    return digits
