"""How a node sorts its tickets into categories: by rules, or by a model trained on a city's own.

A new training replaces the model's files; the next call is sorted by it. The files are looked at
(one ``stat``) when a call begins, never while it goes on.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from tickets.category import Classifier, Ranked, RuleClassifier, shipped
from tickets.model import TEXT, BadModel, Model
from tickets.tree import SHIPPED, BadTree, CategoryTree


@dataclass(frozen=True, slots=True)
class Sorting:
    """A tree and what finds the place of a matter in it."""

    tree: CategoryTree
    classifier: Classifier


class TrainedClassifier:
    """A trained model in the rules' place.

    It costs less than the rules do (``bench/tickets_sorting.py``), so it runs on the event loop.

    Args:
        model: the model.
        rules: tell the topic below the category, where its name is one of theirs, and the words.
    """

    def __init__(self, model: Model, rules: RuleClassifier) -> None:
        self._model = model
        self._rules = rules

    def __call__(self, text: str, hint: str | None = None) -> list[Ranked]:
        """Rank the model's labels, best first; an emergency (``hint``) decides where it is one."""
        by_rules = {ranked.category: ranked for ranked in self._rules(text, hint)}
        found = []
        for guess in self._model.rank([text]):
            known = by_rules.get(guess.label, Ranked(guess.label, "", 0.0, ()))
            score = guess.confidence + (1.0 if guess.label == hint else 0.0)
            found.append(replace(known, score=score, confidence=round(guess.confidence, 2)))
        found.sort(key=lambda ranked: -ranked.score)
        return found


class SortingSource:
    """Gives each call the present tree and classifier.

    Args:
        tree: the configured tree; the shipped one when None.
        model: the trained model's folder, or None to sort by rules.
        on_error: told why a changed model cannot be used; the one before stays in use.

    Raises:
        BadModel, BadTree, OSError: the model cannot be used now.
    """

    def __init__(
        self,
        *,
        tree: CategoryTree | None = None,
        model: Path | None = None,
        on_error: Callable[[str], None] = lambda _reason: None,
    ) -> None:
        self._tree = tree or SHIPPED
        self._folder = model
        self._on_error = on_error
        self._rules = RuleClassifier(tree) if tree else shipped()
        self._stamp = self._look()
        self._sorting = self._load()

    def take(self, tree: CategoryTree) -> None:
        """Sort by another tree from the next ticket on."""
        self._tree, self._rules = tree, RuleClassifier(tree)
        try:
            self._sorting = self._load()
        except (BadModel, BadTree, OSError) as error:
            self._on_error(str(error))

    def current(self) -> Sorting:
        """Return what sorts the next ticket."""
        stamp = self._look()
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._sorting = self._load()
            except (BadModel, BadTree, OSError) as error:
                # Maybe it is half written; when it is whole, its time has changed again.
                self._on_error(str(error))
        return self._sorting

    def _look(self) -> tuple[int, int] | None:
        if self._folder is None:
            return None
        try:
            status = (self._folder / TEXT).stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size

    def _load(self) -> Sorting:
        if self._folder is None:
            return Sorting(self._tree, self._rules)
        model = Model.load(self._folder)
        return Sorting(self._tree.with_labels(model.labels), TrainedClassifier(model, self._rules))
