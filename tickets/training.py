"""Learn categories from a city's own closed tickets.

Every number that is fitted (terms, their weights, coefficients) is fitted anew inside each fold of
the cross-validation, and tickets with the same words and label share a fold: no answer leaks.
"""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.optimize import minimize_scalar
from sklearn.svm import LinearSVC

from tickets.model import Floats, Model
from tickets.table import Example
from tickets.terms import BLOCKS, Block, Concepts, count, folded, shipped_concepts

Ints = npt.NDArray[np.int64]

FOLDS = 5
_MOST_TERMS = 50_000
"""The rarest terms beyond this many are left out: a bound on the model's size."""
_SCALES = (0.1, 100.0)


@dataclass(frozen=True, slots=True)
class Report:
    """How well tickets that were not learnt from came out.

    Attributes:
        labels: sorted.
        accuracies: the share that came out right, one a repetition.
        confusion: rows are the tickets' own labels, columns the model's; summed over repetitions.
        scale: makes the model's probabilities fit what came out (see ``Model``).
    """

    labels: tuple[str, ...]
    accuracies: tuple[float, ...]
    confusion: Ints
    scale: float

    @property
    def mean(self) -> float:
        """Mean accuracy."""
        return float(np.mean(self.accuracies))

    @property
    def deviation(self) -> float:
        """Standard deviation of the accuracy over the repetitions."""
        return float(np.std(self.accuracies))


class Trainer:
    """Fits and cross-validates.

    Args:
        examples: tickets with their labels; at least two labels, each with at least ``FOLDS``
            different texts (``tickets.table`` sees to it).
        names: evidence from the category tree; learnt from in every fold, never tested on.
    """

    def __init__(self, examples: Sequence[Example], names: Sequence[Example] = ()) -> None:
        self._examples = examples
        self._known = [*examples, *names]
        self._concepts = shipped_concepts()
        self.labels = tuple(sorted({example.label for example in examples}))
        numbers = {label: number for number, label in enumerate(self.labels)}
        self._answers = np.array([numbers[e.label] for e in self._known], dtype=np.int64)
        self._names = np.arange(len(examples), len(self._known))
        self._counts = _Counts(self._known, self._concepts)

    def fit(self, scale: float) -> Model:
        """Learn from everything."""
        return self._fit(np.arange(len(self._known)), scale)[0]

    def cross_validate(self, seeds: Sequence[int] = (0,)) -> Report:
        """Learn from four fifths and test on the last, in turn, once for each seed."""
        rows = len(self._examples)
        answers = self._answers[:rows]
        confusion = np.zeros((len(self.labels), len(self.labels)), dtype=np.int64)
        decisions, accuracies = [], []
        for seed in seeds:
            decided = np.zeros((rows, len(self.labels)))
            for test in self._folds(seed):
                train = np.setdiff1d(np.arange(rows), test)
                model, terms = self._fit(np.concatenate([train, self._names]), 1.0)
                tested = self._counts.weighted(test, terms, model.idf)
                decided[test] = tested @ model.coefficients.T + model.intercepts
            guesses = decided.argmax(axis=1)
            np.add.at(confusion, (answers, guesses), 1)
            accuracies.append(float((guesses == answers).mean()))
            decisions.append(decided)
        scale = _scale(np.concatenate(decisions), np.tile(answers, len(decisions)))
        return Report(self.labels, tuple(accuracies), confusion, scale)

    def _fit(self, rows: Ints, scale: float) -> tuple[Model, Ints]:
        """Learn from some rows; return the model and the columns of ``_counts`` it uses."""
        terms, idf = self._counts.learn(rows)
        machine = LinearSVC(random_state=0)
        machine.fit(self._counts.weighted(rows, terms, idf), self._answers[rows])
        coefficients, intercepts = machine.coef_, machine.intercept_
        if len(self.labels) == 2:  # noqa: PLR2004 -- of two, scikit-learn decides only one
            coefficients = np.concatenate([-coefficients, coefficients])
            intercepts = np.concatenate([-intercepts, intercepts])
        names = tuple(self._counts.terms[term] for term in terms)
        return Model(
            self.labels, self._concepts, names, idf, coefficients, intercepts, scale
        ), terms

    def _folds(self, seed: int) -> Iterator[Ints]:
        """Deal each label's texts round the folds; what reads the same stays together."""
        alike: dict[tuple[str, str], list[int]] = defaultdict(list)
        for row, example in enumerate(self._examples):
            alike[example.label, folded(" ".join(example.texts))].append(row)
        groups = list(alike.values())
        random.Random(seed).shuffle(groups)  # noqa: S311 -- to be repeatable is the point
        groups.sort(key=lambda group: self._answers[group[0]])
        for fold in range(FOLDS):
            yield np.array(sorted(row for group in groups[fold::FOLDS] for row in group))


class _Counts:
    """How often each term is in each text of each example, counted once for all folds."""

    def __init__(self, examples: Sequence[Example], concepts: Concepts) -> None:
        columns: dict[tuple[Block, str], int] = {}
        places = max(len(example.texts) for example in examples)
        found: list[list[tuple[int, int, int]]] = [[] for _ in range(places)]
        for row, example in enumerate(examples):
            for place, text in enumerate(example.texts):
                for block, counted in count(text, concepts).items():
                    for words, times in counted.items():
                        column = columns.setdefault((block, words), len(columns))
                        found[place].append((row, column, times))
        # In order, so that the same tickets always make the same model.
        self.terms = sorted(columns, key=lambda term: (BLOCKS.index(term[0]), term[1]))
        order = np.empty(len(columns), dtype=np.int64)
        for column, term in enumerate(self.terms):
            order[columns[term]] = column
        shape = (len(examples), len(columns))
        self._texts = [_matrix(entries, order, shape) for entries in found]
        self._blocks = np.array([BLOCKS.index(block) for block, _ in self.terms])

    def learn(self, rows: Ints) -> tuple[Ints, Floats]:
        """Return the terms to use, as column numbers, and their inverse document frequencies."""
        present = sum(matrix[rows] for matrix in self._texts) > 0
        frequency = np.asarray(present.sum(axis=0)).ravel()
        common = np.argsort(-frequency, kind="stable")[:_MOST_TERMS]
        terms = np.sort(common[frequency[common] > 0])
        return terms, np.log((1 + len(rows)) / (1 + frequency[terms])) + 1

    def weighted(self, rows: Ints, terms: Ints, idf: Floats) -> sparse.csr_matrix:
        """Return rows × terms, weighted just as ``Model.decide`` weighs them."""
        blocks = []
        for number in range(len(BLOCKS)):
            chosen = np.flatnonzero(self._blocks[terms] == number)
            total = sparse.csr_matrix((len(rows), len(chosen)))
            for matrix in self._texts:
                part = matrix[rows][:, terms[chosen]]
                part.data = 1 + np.log(part.data)
                total = total + _unit(part @ sparse.diags(idf[chosen]))
            blocks.append(_unit(total))
        return _unit(sparse.hstack(blocks).tocsr())


def _matrix(
    entries: list[tuple[int, int, int]], order: Ints, shape: tuple[int, int]
) -> sparse.csr_matrix:
    rows, columns, times = np.array(entries, dtype=np.int64).reshape(-1, 3).T
    return sparse.csr_matrix((times.astype(np.float64), (rows, order[columns])), shape=shape)


def _unit(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    lengths = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    lengths[lengths == 0] = 1
    return (sparse.diags(1 / lengths) @ matrix).tocsr()


def _scale(decisions: Floats, answers: Ints) -> float:
    """Return the scale whose probabilities surprise least (Guo et al. 2017, §4.2)."""

    def surprise(logarithm: float) -> float:
        exponents = np.exp(logarithm) * decisions
        exponents -= exponents.max(axis=1, keepdims=True)
        spread = np.log(np.exp(exponents).sum(axis=1))
        return float((spread - exponents[np.arange(len(answers)), answers]).mean())

    bounds = tuple(np.log(_SCALES))
    return float(np.exp(minimize_scalar(surprise, bounds=bounds, method="bounded").x))


def per_label(report: Report) -> Iterator[tuple[str, float, float]]:
    """Yield each label, its recall and its precision (0 where the model never says it)."""
    said = report.confusion.sum(axis=0)
    for number, label in enumerate(report.labels):
        row = report.confusion[number]
        yield label, row[number] / row.sum(), row[number] / max(said[number], 1)
