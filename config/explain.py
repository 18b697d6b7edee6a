"""Turns pydantic's findings into problems that name key, value, wish and origin."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from config.errors import Problem
from config.layers import Layered

Path = tuple[str, ...]


def explain(error: ValidationError, layered: Layered, model: type[BaseModel]) -> list[Problem]:
    """Return one problem for each option that is wrong, in the order of the model."""
    known = list(_known_keys(model, layered.values))
    problems: dict[str, Problem] = {}
    for details in error.errors(include_url=False):
        path = _path_of_value(details, layered.values)
        if details["type"] == "extra_forbidden":
            found = [
                _unknown(leaf, value, layered, known) for leaf, value in _leaves(path, details)
            ]
        else:
            found = [_wrong(path, details, layered)]
        for problem in found:
            problems.setdefault(problem.key, problem)
    return list(problems.values())


def _unknown(path: Path, value: object, layered: Layered, known: Sequence[str]) -> Problem:
    key = ".".join(path)
    near = difflib.get_close_matches(key, known, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return Problem(key, _shown(path, value), f"an option that exists{hint}", layered.origin(path))


def _wrong(path: Path, details: ErrorDetails, layered: Layered) -> Problem:
    value = details["input"]
    if details["type"] == "missing":
        return Problem(".".join(path), "", "a value; it has none", layered.origin(path))
    if isinstance(value, Mapping):  # a rule over several options: blame those that were set
        return Problem(".".join(path), "", _wanted(details), layered.origins_below(path))
    return Problem(".".join(path), _shown(path, value), _wanted(details), layered.origin(path))


def _path_of_value(details: ErrorDetails, values: Mapping[str, Any]) -> Path:
    """Cut pydantic's location down to the option: not the list's index, not ``[key]``."""
    path: list[str] = []
    table: Any = values
    for part in map(str, details["loc"]):
        if not isinstance(table, Mapping) or part == "[key]":
            break
        path.append(part)
        table = table.get(part)
    return tuple(path)


def _leaves(path: Path, details: ErrorDetails) -> Iterator[tuple[Path, object]]:
    def walk(at: Path, value: object) -> Iterator[tuple[Path, object]]:
        if isinstance(value, Mapping) and value:
            for key, inner in value.items():
                yield from walk((*at, str(key)), inner)
        else:
            yield at, value

    return walk(path, details["input"])


def _known_keys(model: type[BaseModel], values: Mapping[str, Any], at: str = "") -> Iterator[str]:
    for name, info in model.model_fields.items():
        inner = info.annotation
        below = values.get(name)
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _known_keys(
                inner, below if isinstance(below, Mapping) else {}, f"{at}{name}."
            )
        elif get_args(inner)[1:] and isinstance(get_args(inner)[1], type):
            entry = get_args(inner)[1]  # dict[str, Model]: its keys are the operator's own
            for key in below if isinstance(below, Mapping) else ():
                yield from _known_keys(entry, {}, f"{at}{name}.{key}.")
        else:
            yield f"{at}{name}"


def _wanted(details: ErrorDetails) -> str:
    message = details["msg"]
    kind = details["type"]
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    if kind == "model_type":
        return "a table of options, not one value"
    if kind == "string_pattern_mismatch":
        return f"text that matches {details['ctx']['pattern']}"
    if kind == "string_too_short":
        return "some text"
    wish = message.removeprefix("Input should be ").split(", unable to")[0]
    wish = wish.replace("a valid integer", "a whole number").replace(
        "a valid boolean", "true or false"
    )
    return f"a number {wish}" if wish.startswith(("greater", "less")) else wish


def _shown(path: Path, value: object) -> str:
    """Show a value without the secrets in it: logs and tickets are made of error messages."""
    if "password" in path[-1] or "secret" in path[-1]:
        return "***"
    text = repr(value) if isinstance(value, str) else str(value)
    return re.sub(r"//[^/@]*@", "//***@", text)
