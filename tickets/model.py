"""A trained category model: ranks its labels for a ticket, and lives in a folder of plain data.

The folder holds ``model.json`` (labels, terms, concepts) and ``weights.npz`` (numbers). Neither can
carry code: nothing is unpickled, and what does not fit together is refused.
"""

import hashlib
import io
import json
import math
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from tickets.terms import BLOCKS, Block, Concepts, count

Floats = npt.NDArray[np.float64]

_FORMAT = "hotline12345 categories"
_VERSION = 1
TEXT = "model.json"
_NUMBERS = "weights.npz"
_ARRAYS = ("idf", "coefficients", "intercepts")


class BadModel(ValueError):
    """A folder that holds no model of ours; the message names the file and what is wrong."""


@dataclass(frozen=True, slots=True)
class Guess:
    """A label, and the probability (0 to 1) that it is the right one."""

    label: str
    confidence: float


@dataclass(frozen=True)
class Model:
    """A linear model over weighted terms.

    Attributes:
        labels: what it tells apart, sorted.
        concepts: the concepts it was trained with.
        terms: block and text of every term; their order is that of the columns below.
        idf: one weight a term.
        coefficients: labels × terms.
        intercepts: one a label.
        scale: turns decision values into the exponents of probabilities.
    """

    labels: tuple[str, ...]
    concepts: Concepts
    terms: tuple[tuple[Block, str], ...]
    idf: Floats
    coefficients: Floats
    intercepts: Floats
    scale: float

    def rank(self, texts: Sequence[str]) -> list[Guess]:
        """Rank all labels for a ticket's texts (title, content, ...), best first."""
        exponents = self.scale * self.decide(texts)
        odds = np.exp(exponents - exponents.max())
        shares = odds / odds.sum()
        order = np.argsort(-shares, kind="stable")
        return [Guess(self.labels[i], float(shares[i])) for i in order]

    def decide(self, texts: Sequence[str]) -> Floats:
        """Return one decision value a label; the highest wins."""
        weights: dict[int, float] = {}
        for block in BLOCKS:
            weights |= _unit(self._block(block, texts))
        columns = np.fromiter(weights, dtype=np.int64, count=len(weights))
        values = np.array(list(_unit(weights).values()), dtype=np.float64)
        decisions: Floats = self.coefficients[:, columns] @ values + self.intercepts
        return decisions

    def _block(self, block: Block, texts: Sequence[str]) -> dict[int, float]:
        """Weigh each text's terms by itself, so that a title counts as much as a long content."""
        total: dict[int, float] = {}
        for text in texts:
            known = {
                column: (1 + math.log(times)) * float(self.idf[column])
                for term, times in count(text, self.concepts)[block].items()
                if (column := self._columns.get((block, term))) is not None
            }
            for column, weight in _unit(known).items():
                total[column] = total.get(column, 0.0) + weight
        return total

    @cached_property
    def _columns(self) -> dict[tuple[Block, str], int]:
        return {term: column for column, term in enumerate(self.terms)}

    def save(self, folder: Path) -> None:
        """Write the model; a model already there is replaced.

        Raises:
            OSError: the folder cannot be made or written.
        """
        folder.mkdir(parents=True, exist_ok=True)
        numbers = io.BytesIO()
        np.savez_compressed(
            numbers, idf=self.idf, coefficients=self.coefficients, intercepts=self.intercepts
        )
        text = {
            "format": _FORMAT,
            "version": _VERSION,
            "sha256": hashlib.sha256(numbers.getvalue()).hexdigest(),
            "labels": self.labels,
            "scale": self.scale,
            "concepts": self.concepts,
            "terms": {b: [term for block, term in self.terms if block == b] for b in BLOCKS},
        }
        content = json.dumps(text, ensure_ascii=False, indent=1).encode()
        # A crash between the two leaves a pair that the checksum refuses.
        for name, data in ((_NUMBERS, numbers.getvalue()), (TEXT, content)):
            part = folder / f"{name}.part"
            part.write_bytes(data)
            part.replace(folder / name)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read a model.

        Raises:
            BadModel: what is there is none, or is damaged.
            OSError: a file cannot be read.
        """
        path = folder / TEXT
        try:
            text = json.loads(path.read_bytes())
        except ValueError as error:
            raise BadModel(f"{path}: {error}") from error
        _check_text(path, text)
        data = (folder / _NUMBERS).read_bytes()
        if hashlib.sha256(data).hexdigest() != text["sha256"]:
            raise BadModel(f"{folder / _NUMBERS}: is not the one that {TEXT} was written with")
        terms = tuple((block, term) for block in BLOCKS for term in text["terms"][block])
        idf, coefficients, intercepts = _arrays(
            folder / _NUMBERS, data, len(text["labels"]), len(terms)
        )
        concepts = {name: tuple(words) for name, words in text["concepts"].items()}
        labels, scale = tuple(text["labels"]), float(text["scale"])
        return cls(labels, concepts, terms, idf, coefficients, intercepts, scale)


def _unit(weights: dict[int, float]) -> dict[int, float]:
    """Return the vector at length one; a vector of nothing stays so."""
    length = math.sqrt(sum(weight * weight for weight in weights.values()))
    return {column: weight / length for column, weight in weights.items() if length}


def _check_text(path: Path, text: Any) -> None:
    if not isinstance(text, dict) or text.get("format") != _FORMAT:
        raise BadModel(f"{path}: is not a category model")
    if text.get("version") != _VERSION:
        raise BadModel(f"{path}: has version {text.get('version')!r}, this program reads 1")
    terms, concepts, scale = (text.get(key) for key in ("terms", "concepts", "scale"))
    sound = {
        "labels": _is_words(text.get("labels")) and len(set(text["labels"])) > 1,
        "sha256": isinstance(text.get("sha256"), str),
        "scale": isinstance(scale, int | float) and math.isfinite(scale) and scale > 0,
        "terms": isinstance(terms, dict) and all(_is_words(terms.get(block)) for block in BLOCKS),
        "concepts": isinstance(concepts, dict) and all(map(_is_words, concepts.values())),
    }
    for key, is_sound in sound.items():
        if not is_sound:
            raise BadModel(f"{path}: {key} is missing or wrong")


def _is_words(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(word, str) for word in value)


def _arrays(path: Path, data: bytes, labels: int, terms: int) -> tuple[Floats, Floats, Floats]:
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            arrays = [np.asarray(archive[name]) for name in _ARRAYS]
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise BadModel(f"{path}: {error}") from error
    shapes = ((terms,), (labels, terms), (labels,))
    for name, array, shape in zip(_ARRAYS, arrays, shapes, strict=True):
        if array.dtype != np.float64 or array.shape != shape or not np.isfinite(array).all():
            raise BadModel(f"{path}: {name} should be {shape} finite numbers")
    idf, coefficients, intercepts = arrays
    return idf, coefficients, intercepts
