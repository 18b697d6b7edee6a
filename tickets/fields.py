"""The fields of a ticket: their names, what they may hold, and how a correction is checked.

Every field carries where its value came from and the words it was read from, so that an agent sees
at a glance why a draft says what it says.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Source = Literal["heard", "caller_id", "agent"]

TYPES = ("咨询", "求助", "投诉", "举报", "建议", "表扬")
TITLES = ("先生", "女士")
URGENCIES = ("普通", "一般", "紧急", "特急")
PARTNERS = ("110", "119", "120", "122")
CATEGORIES = (
    "市容管理",
    "物业管理",
    "路况管理",
    "消费维权",
    "道路设施",
    "社会保障",
    "社区管理",
    "劳动纠纷",
    "消防安全",
    "园林绿化",
    "环境保护",
    "公用事业",
    "住房保障",
    "教育文体",
    "医疗卫生",
    "交通出行",
    "违法建设",
    "治安警情",
    "企业服务",
    "人才服务",
    "城乡规划",
    "纪检监察",
    "其他",
)
FIELDS = (
    "name",
    "title",
    "phone",
    "address",
    "type",
    "category",
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

_CHOICES: Mapping[str, tuple[str, ...]] = {
    "title": TITLES,
    "type": TYPES,
    "category": CATEGORIES,
    "urgency": URGENCIES,
    "transfer": PARTNERS,
}
_LENGTHS: Mapping[str, int] = {
    "name": 40,
    "address": 200,
    "party": 100,
    "urgency_reason": 200,
    "content": 10_000,
}
_MAY_BE_EMPTY = frozenset(
    {"name", "title", "phone", "address", "transfer", "urgency_reason", "party"}
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
class FieldValue:
    """What a field holds.

    Attributes:
        value: str, bool or None.
        source: ``heard`` in the talk, ``caller_id`` of the call, or ``agent`` who corrected it.
        evidence: the words it was read from, or None.
    """

    value: Any
    source: Source
    evidence: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return ``{"value", "source", "evidence"}``."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field took a new value (or the same value from a new source)."""

    field: str
    value: Any
    source: Source
    evidence: str | None = None


def check(field: str, value: object) -> str | bool | None:
    """Return ``value`` as the field would store it.

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
    if field in _CHOICES:
        if text not in _CHOICES[field]:
            choices = ", ".join(_CHOICES[field])
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
