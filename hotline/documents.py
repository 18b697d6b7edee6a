"""Wires what administrators change while calls go on, and tells everybody whom it concerns."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, Final

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from calls.document_forms import ModelForm, Text
from calls.document_keeper import DocumentKeeper
from calls.document_terms import BadDocument, Document
from calls.documents import Book, Form, Note, SqlVersions
from calls.help import CallHelper
from calls.late_words import LateWords
from calls.prompt_shelf import FORM as PROMPTS_FORM
from calls.prompt_shelf import PromptsDocument, PromptShelf, SqlPromptFiles
from calls.prompt_shelf import configured as no_recordings
from calls.routing_book import RoutingBook
from calls.service import CallService
from calls.text_readers import CATEGORIES, GAZETTEER, TEMPLATES, URGENCY, Places
from config.directory import PartnerSettings
from config.documents import PartnersDocument, unknown_trunks
from config.settings import Settings
from config.tickets import DeadlineSettings
from eventbus.bus import EventBus
from eventbus.tasks import end
from hotline.attending import prompts as shipped_prompts
from hotline.directory import experts_of, partners_of
from hotline.exchange import TicketExchange
from hotline.ticket_rules import counted_by
from telephony.trunks.service import TrunkService
from tickets.handling import TicketDesk
from tickets.help.templates import Topic
from tickets.sorting import SortingSource
from tickets.table import decoded
from tickets.tree import CategoryTree
from tickets.urgency import UrgencyRules
from tickets.written import Writer

log = structlog.get_logger(__name__)

SHIPPED: Final = Path(__file__).parents[1] / "tickets" / "data"
EMPTY_GAZETTEER: Final = "name,kind,also\n"
HANDLING: Final = ModelForm("handling", DeadlineSettings)
"""Working days and how many of them units have."""


class Documents:
    """The documents of this node.

    Args:
        settings: bring the first versions.
        engine: the database.
        bus: carries changes between nodes.
        note: the audit trail.
        routing: is a document as well, wired elsewhere.
        prompts: the folder that the node's recordings are to lie in.

    Attributes:
        books: all of them, by name.
        prompts: what callers hear from the system.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        engine: AsyncEngine,
        bus: EventBus,
        note: Note,
        routing: RoutingBook,
        prompts: Path,
    ) -> None:
        def book(form: Form[Any], configured: Callable[[], Document]) -> Book[Any]:
            versions = SqlVersions(engine, form.name)
            return Book(form, versions, configured=configured, bus=bus, note=note)

        wanted = settings.tickets
        self.partners: Book[PartnersDocument] = book(
            partners_form(settings.trunks), lambda: _configured_partners(settings)
        )
        self.urgency: Book[Text[UrgencyRules]] = book(
            URGENCY, lambda: _file(wanted.urgency_rules or SHIPPED / "urgency.toml")
        )
        self.templates: Book[Text[tuple[Topic, ...]]] = book(
            TEMPLATES, lambda: _file(SHIPPED / "templates.toml")
        )
        self.categories: Book[Text[CategoryTree]] = book(
            CATEGORIES, lambda: _file(wanted.categories or SHIPPED / "categories.toml")
        )
        self.gazetteer: Book[Text[Places]] = book(
            GAZETTEER,
            lambda: _file(wanted.gazetteer) if wanted.gazetteer else _text(EMPTY_GAZETTEER, "csv"),
        )
        self.handling: Book[DeadlineSettings] = book(
            HANDLING, lambda: _configured_deadlines(settings)
        )
        recordings: Book[PromptsDocument] = book(PROMPTS_FORM, no_recordings)
        self.prompts = PromptShelf(
            folder=prompts,
            shipped=shipped_prompts(settings),
            book=recordings,
            files=SqlPromptFiles(engine),
        )
        texts = (self.urgency, self.templates, self.categories, self.gazetteer)
        own: tuple[Book[Any], ...] = (self.partners, self.handling, *texts, recordings)
        self.books: Mapping[str, Book[Any]] = {one.name: one for one in (routing, *own)}
        self._keeper = DocumentKeeper(own, bus=bus)
        self._tasks: set[asyncio.Task[None]] = set()

    def join(
        self,
        *,
        calls: CallService,
        desk: TicketDesk,
        exchange: TicketExchange,
        trunks: TrunkService,
        helper: CallHelper,
        late_words: LateWords,
        sorting: SortingSource,
        writer: Writer,
        places: Callable[[Places], None],
    ) -> None:
        """Say who is told of which document; before ``start``."""

        def partners() -> None:
            told = self.partners.value
            calls.agents.directory.take(
                partners=partners_of(told.partners), experts=experts_of(told.experts)
            )
            trunks.reserve({name for one in told.partners.values() for name in one.calls_from})
            self._begin(_take_part(exchange, told.partners), "exchange-partners")

        def handling() -> None:
            self._begin(_count_anew(desk, self.handling.value), "deadlines")

        def urgency() -> None:
            calls.urgency = late_words.rules = self.urgency.value.says

        def templates() -> None:
            helper.topics = self.templates.value.says

        def gazetteer() -> None:
            known = self.gazetteer.value.says
            writer.gazetteer = known.gazetteer
            places(known)

        self.partners.on_change = partners
        self.handling.on_change = handling
        self.urgency.on_change = urgency
        self.templates.on_change = templates
        self.categories.on_change = lambda: sorting.take(self.categories.value.says)
        self.gazetteer.on_change = gazetteer

    def _begin(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def start(self) -> None:
        """Take the newest versions into force."""
        await self._keeper.start()
        await self.prompts.start()

    async def close(self) -> None:
        """Stop."""
        await self.prompts.close()
        await self._keeper.close()
        await end(*self._tasks)


def partners_form(trunks: Mapping[str, object]) -> ModelForm[PartnersDocument]:
    """Return the form of the partners' document; it may name these trunks."""

    def check(document: PartnersDocument) -> None:
        if field := unknown_trunks(document, trunks):
            names = ", ".join(trunks) or "none"
            raise BadDocument(field, f"trunks of the configuration ({names})")

    return ModelForm("partners", PartnersDocument, ("partners", "experts"), check)


async def _take_part(exchange: TicketExchange, partners: Mapping[str, PartnerSettings]) -> None:
    try:
        await exchange.take(partners)
    except Exception:  # the task's outermost boundary
        log.exception("exchange_partners_failed")


async def _count_anew(desk: TicketDesk, settings: DeadlineSettings) -> None:
    try:
        changed = await desk.count_by(*counted_by(settings))
    except Exception:  # the task's outermost boundary
        log.exception("deadlines_not_counted_anew")
    else:
        log.info("deadlines_counted_anew", tickets=changed)


def _configured_deadlines(settings: Settings) -> dict[str, Any]:
    return settings.handling.model_dump(mode="json", include=set(DeadlineSettings.model_fields))


def _configured_partners(settings: Settings) -> dict[str, Any]:
    return {
        "partners": {k: one.model_dump(mode="json") for k, one in settings.partners.items()},
        "experts": {k: one.model_dump(mode="json") for k, one in settings.experts.items()},
    }


def _file(path: Path) -> dict[str, Any]:
    return _text(decoded(path), "csv" if path.suffix == ".csv" else "toml")


def _text(text: str, format_: str) -> dict[str, Any]:
    return {"text": text, "format": format_}
