"""Kinds of values that settings take: how each is written in a file or a variable."""

import re
from datetime import date
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from config.lists import split


def empty_is_none(value: object) -> object:
    """Read the empty text, which a variable can hold, as None."""
    return None if value == "" else value


def _pairs(value: object) -> object:
    """Read ``["咨询=2"]``, which a variable can hold as well, as ``{"咨询": "2"}``."""
    parts = split(value)
    if not isinstance(parts, list | tuple):
        return parts
    pairs = [str(part).partition("=") for part in parts]
    if any(not (name.strip() and equals) for name, equals, _ in pairs):
        raise ValueError("name=number, as 咨询=2")
    return {name.strip(): number.strip() for name, _, number in pairs}


def _network(value: object) -> IPv4Network | IPv6Network:
    try:
        return ip_network(str(value))
    except ValueError as error:
        raise ValueError("a network, as 10.2.0.0/16") from error


_HOST_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::([0-9]{1,5}))?")


def _host_port(value: object) -> object:
    """Read ``host``, ``host:port`` or ``[IPv6]:port``; without a port it is None."""
    if not isinstance(value, str) or not value:
        return value or None
    found = _HOST_PORT.fullmatch(value)
    if found is None:
        raise ValueError("a host, as sbc.example.cn, 10.2.0.1:5080 or [2001:db8::1]:5060")
    return found[1] or found[2], found[3]


def _rule(value: tuple[str, str]) -> tuple[str, str]:
    pattern, replacement = value
    try:
        # matches nothing by itself, yet fills in the template: that names every wrong group
        re.compile(f"(?:{pattern})?").sub(replacement, "")
    except (re.error, IndexError) as error:
        message = f"pairs of a regular expression and a replacement ({pattern!r}: {error})"
        raise ValueError(message) from error
    return value


def _url(*schemes: str) -> AfterValidator:
    def check(value: str) -> str:
        if not value.startswith(tuple(f"{scheme}:" for scheme in schemes)):
            raise ValueError("an address that begins with " + " or ".join(f"{s}:" for s in schemes))
        return value

    return AfterValidator(check)


Port = Annotated[int, Field(ge=1, le=65535)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]+$")]
Number = Annotated[str, StringConstraints(pattern=r"^\+?[0-9]{1,20}$")]
OptionalText = Annotated[Text | None, BeforeValidator(empty_is_none)]
OptionalPath = Annotated[Path | None, BeforeValidator(empty_is_none)]
Numbers = Annotated[tuple[Number, ...], BeforeValidator(split)]
Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]
Hours = Annotated[
    str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$")
]
Networks = Annotated[tuple[Network, ...], BeforeValidator(split)]
HostPort = Annotated[tuple[str, Port | None] | None, BeforeValidator(_host_port)]
Rules = tuple[Annotated[tuple[str, str], AfterValidator(_rule)], ...]
Rank = Annotated[int, Field(ge=0, le=65535)]
RedisUrl = Annotated[str, _url("redis", "rediss", "unix")]
MqttUrl = Annotated[str, _url("mqtt", "mqtts")]
WorkingDays = Annotated[int, Field(ge=0, le=365)]
KeptDays = Annotated[int, Field(ge=0)]
DaysByName = Annotated[dict[str, WorkingDays], BeforeValidator(_pairs)]
Days = Annotated[tuple[date, ...], BeforeValidator(split)]
HttpUrl = Annotated[str, _url("http", "https")]
NamesByText = Annotated[dict[str, Name], BeforeValidator(_pairs)]
SpeechUrl = Annotated[str, _url("ws", "wss")]
DatabaseUrl = Annotated[str, _url("postgresql+asyncpg", "sqlite+aiosqlite")]


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"a regular expression ({error})") from error
    return value


Patterns = Annotated[tuple[Annotated[str, AfterValidator(_pattern)], ...], BeforeValidator(split)]
