"""The routing document in force: the configuration's, or what administrators made of it since.

It is a document like the others (``calls/documents.py``); what it adds is the plan: the document,
ready for questions.
"""

import time
from collections.abc import Callable, Mapping
from typing import Final, Literal

from agents.routing import RoutingPlan
from calls.document_forms import ModelForm
from calls.documents import Book, Note, Version, Versions
from config.routing import RoutingSettings
from eventbus.bus import EventBus
from eventbus.catalogue import Event, RoutingChanged

NAME: Final = "routing"
Section = Literal["groups", "rules", "lines", "callers", "agents", "reasons"]
SECTIONS: Final[tuple[Section, ...]] = ("groups", "rules", "lines", "callers", "agents", "reasons")


class RoutingBook(Book[RoutingSettings]):
    """The document in force on this node.

    Args:
        versions: where all nodes keep it.
        configured: the configuration's document, in force until somebody changes it.
        lines: dialled number → the skill that the configuration gives it.
        bus: told of changes made here.
        note: the audit trail.
        clock: Unix seconds.

    Attributes:
        plan: the document, ready for questions.
    """

    def __init__(
        self,
        versions: Versions,
        *,
        configured: RoutingSettings,
        lines: Mapping[str, str],
        bus: EventBus,
        note: Note,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(
            ModelForm(NAME, RoutingSettings, SECTIONS),
            versions,
            configured=lambda: configured.model_dump(mode="json"),
            bus=bus,
            note=note,
            clock=clock,
        )
        self._lines = dict(lines)
        self.plan = RoutingPlan(configured, self._lines)

    @property
    def settings(self) -> RoutingSettings:
        """The document in force."""
        return self.plan.settings

    def _taken(self) -> None:
        self.plan = RoutingPlan(self.value, self._lines)

    def _event(self, version: Version) -> Event:
        return RoutingChanged(at=version.at, version=version.number, by=version.who)
