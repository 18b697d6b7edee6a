"""Entries of the knowledge base and of the hotline's encyclopaedia, as Markdown files.

Each file begins with front matter (YAML between ``---``) and goes on with the text::

    ---
    id: gjj-tiqu                     # letters, digits, - and _; never changes
    title: 公积金提取
    category: 住房保障
    keywords: [公积金, 提取, 租房]
    source: 《住房公积金管理条例》第二十四条
    valid_until: 2027-12-31          # optional
    experts: [gjj]                   # optional: ids of experts.toml
    ---
    离职、退休、购房、租房可以提取……

``experts.toml`` beside them lists who can be asked, and when::

    [[expert]]
    id = "gjj"
    name = "公积金专席"
    unit = "市公积金中心"
    phone = "65120000"
    duty = ["1-5 08:30-17:30"]       # weekdays (1 Monday … 7 Sunday) and hours in China
"""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import cache
from pathlib import Path
from typing import Any, Final

import frontmatter
import yaml

from tickets.working_days import CHINA

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DUTY: Final = re.compile(r"([1-7])(?:-([1-7]))? (\d\d:\d\d)-(\d\d:\d\d)")
_NEEDED: Final = ("id", "title", "category", "source")
_LONGEST_TITLE: Final = 120
_LONGEST_BODY: Final = 50_000
_MIDNIGHT: Final = "24:00"


class BadKnowledge(ValueError):
    """A file that cannot be imported; the message names the file and the fault."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry, as its file says it."""

    id: str
    title: str
    category: str
    source: str
    body: str
    keywords: tuple[str, ...] = ()
    experts: tuple[str, ...] = ()
    valid_until: date | None = None


@dataclass(frozen=True, slots=True)
class Duty:
    """Weekdays (1 Monday … 7 Sunday, inclusive) and the hours on each."""

    first: int
    last: int
    begin: time
    end: time | None

    def covers(self, moment: datetime) -> bool:
        """Say whether a moment in China lies in it; ``end`` None is midnight."""
        clock = moment.time()
        return (
            self.first <= moment.isoweekday() <= self.last
            and self.begin <= clock
            and (self.end is None or clock < self.end)
        )


@dataclass(frozen=True, slots=True)
class Expert:
    """Somebody who can be asked."""

    id: str
    name: str
    unit: str
    phone: str
    duty: tuple[str, ...]

    def on_duty(self, now: float) -> bool:
        """Say whether he can be asked at ``now`` (Unix seconds)."""
        moment = datetime.fromtimestamp(now, UTC) + CHINA
        return any(parse_duty(words).covers(moment) for words in self.duty)


def parse_entry(text: str, *, name: str) -> Entry:
    """Read one file's text.

    Args:
        text: the file.
        name: for the message.

    Raises:
        BadKnowledge: it has no front matter, or that lacks something.
    """
    try:
        post = frontmatter.loads(text)
    except yaml.YAMLError as error:
        raise BadKnowledge(f"{name}: the front matter is no YAML: {error}") from error
    data: Mapping[str, Any] = post.metadata
    for key in _NEEDED:
        if not isinstance(data.get(key), str) or not data[key].strip():
            raise BadKnowledge(f"{name}: the front matter needs {key}")
    if not _ID.fullmatch(data["id"]):
        raise BadKnowledge(f"{name}: id {data['id']!r} has other than letters, digits, - and _")
    body = post.content.strip()
    if not body or len(body) > _LONGEST_BODY or len(data["title"]) > _LONGEST_TITLE:
        raise BadKnowledge(
            f"{name}: a title has 1 to {_LONGEST_TITLE} characters, a text 1 to {_LONGEST_BODY}"
        )
    until = data.get("valid_until")
    if until is not None and not isinstance(until, date):
        raise BadKnowledge(f"{name}: valid_until is a date as 2027-12-31, not {until!r}")
    return Entry(
        id=data["id"],
        title=data["title"].strip(),
        category=data["category"].strip(),
        source=data["source"].strip(),
        body=body,
        keywords=_strings(data, "keywords", name),
        experts=_strings(data, "experts", name),
        valid_until=until,
    )


def _strings(data: Mapping[str, Any], key: str, name: str) -> tuple[str, ...]:
    value = data.get(key, [])
    if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
        raise BadKnowledge(f"{name}: {key} is a list of words, not {value!r}")
    return tuple(value)


def parse_experts(text: str, *, name: str) -> tuple[Expert, ...]:
    """Read ``experts.toml``.

    Raises:
        BadKnowledge: it is no TOML, or an expert lacks something.
    """
    try:
        listed: Iterable[Mapping[str, Any]] = tomllib.loads(text).get("expert", [])
        return tuple(
            Expert(
                str(entry["id"]),
                str(entry["name"]),
                str(entry["unit"]),
                str(entry["phone"]),
                tuple(_checked(str(words)) for words in entry["duty"]),
            )
            for entry in listed
        )
    except BadKnowledge as error:
        raise BadKnowledge(f"{name}: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise BadKnowledge(f"{name}: {error}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise BadKnowledge(
            f"{name}: an expert needs id, name, unit, phone, duty: {error}"
        ) from error


def _checked(words: str) -> str:
    parse_duty(words)
    return words


@cache
def parse_duty(words: str) -> Duty:
    """Read ``1-5 08:30-17:30``.

    Raises:
        BadKnowledge: it is not of that form, or ends before it begins.
    """
    found = _DUTY.fullmatch(words)
    if found is None:
        raise BadKnowledge(f"duty {words!r} is not as 1-5 08:30-17:30")
    first, last = int(found[1]), int(found[2] or found[1])
    try:
        begin = time.fromisoformat(found[3])
        end = None if found[4] == _MIDNIGHT else time.fromisoformat(found[4])
    except ValueError as error:
        raise BadKnowledge(f"duty {words!r}: {error}") from error
    if last < first or (end is not None and end <= begin):
        raise BadKnowledge(f"duty {words!r} ends before it begins")
    return Duty(first, last, begin, end)


def read_folder(folder: Path) -> tuple[tuple[Entry, ...], tuple[Expert, ...]]:
    """Read all ``*.md`` below a folder, and its ``experts.toml``.

    Raises:
        BadKnowledge: a file cannot be used, two have one id, or an expert is unknown.
    """
    try:
        texts = {
            str(path.relative_to(folder)): path.read_text(encoding="utf-8")
            for path in sorted(folder.rglob("*.md"))
        }
        listed = folder / "experts.toml"
        experts = (
            parse_experts(listed.read_text(encoding="utf-8"), name=listed.name)
            if listed.exists()
            else ()
        )
    except (OSError, UnicodeDecodeError) as error:
        raise BadKnowledge(f"{folder}: {error}") from error
    files: dict[str, str] = {}
    entries = []
    known = {expert.id for expert in experts}
    for name, text in texts.items():
        entry = parse_entry(text, name=name)
        if entry.id in files:
            raise BadKnowledge(f"{name}: the id {entry.id} is that of {files[entry.id]} as well")
        if strangers := set(entry.experts) - known:
            raise BadKnowledge(f"{name}: experts.toml has no {', '.join(sorted(strangers))}")
        files[entry.id] = name
        entries.append(entry)
    return tuple(entries), experts
