"""What a node keeps in its database, and what goes on with that in the background."""

import asyncio
import time
from functools import partial

import structlog
from argon2 import PasswordHasher

import tickets
from agents.accounts import Accounts
from agents.known_sources import KnownSources
from agents.source_brake import SourceBrake
from calls.after_call import AfterCall
from calls.audit import AuditTrail
from calls.gaps import GapStore
from calls.help import CallHelper
from calls.records import CallRecords, RecordWriter
from hotline.background import import_knowledge, retention_job, ticket_dispatcher
from hotline.database import migrate, open_engine, open_reader
from hotline.frame import Frame
from hotline.seed import seed
from hotline.spoken_names import learn_phrases
from hotline.ticket_rules import ticket_desk, ticket_rules
from tickets.help.knowledge_base import KnowledgeBase
from tickets.help.similar import SimilarTickets
from tickets.store import TicketStore

log = structlog.get_logger(__name__)


class Storage:
    """The database, and everything that reads and writes it for all calls.

    Args:
        frame: the node in the making.

    Attributes:
        engine: writes.
        reader: what each call looks up.
        writer: keeps what could not be written yet.
        rules: how tickets are sorted, written and judged.
    """

    def __init__(self, frame: Frame) -> None:
        settings = frame.settings
        node = settings.node.id
        self._frame = frame
        self.engine = open_engine(settings.database.url or frame.directory.database_url)
        self.reader = open_reader(self.engine)
        self.writer = RecordWriter(
            self.engine,
            on_status=partial(frame.health.set, "database"),
            give_way=frame.precedence.give_way,
        )
        self.records = CallRecords(self.engine, self.writer, node=node)
        self.gaps = GapStore(self.engine, self.writer, node=node)
        self.audit = AuditTrail(self.engine, self.writer)
        self.after_call = AfterCall(
            self.engine, self.writer, dispositions=settings.rating.dispositions
        )
        self.desk = ticket_desk(settings.handling, self.engine)
        self.rules = ticket_rules(settings.tickets)
        self.tickets = TicketStore(
            self.engine,
            reader=self.reader,
            sorting=self.rules.sorting,
            dispatch=settings.handling.webhook_url is not None,
        )
        hasher = PasswordHasher(settings.agents.password_passes, settings.agents.password_kib)
        self.accounts = Accounts(
            self.engine,
            realm=settings.sip.realm,
            hasher=hasher,
            sources=SourceBrake(
                failures=settings.web.sign_in_failures,
                per_minute=settings.web.sign_in_failures_per_minute,
            ),
            known=KnownSources(self.engine),
        )
        self.knowledge = KnowledgeBase(self.engine)
        self.helper = CallHelper(
            bus=frame.bus,
            knowledge=self.knowledge,
            similar=SimilarTickets(self.engine),
            wall_clock=time.time,
        )
        frame.part("database", self._open, self._close)

    def add_what_follows(self) -> None:
        """Add what wants the tables, and the citizens of an earlier life on the call-back list."""
        frame = self._frame
        frame.part("calls of an earlier life", self._close_orphans)
        # The dictionary takes a second to load: not during the first call, and not on this loop.
        frame.part("ticket rules", partial(asyncio.to_thread, tickets.warm_up))
        frame.part("knowledge base", self._open_knowledge, self.helper.close)
        retention = retention_job(
            frame.settings.retention,
            engine=self.engine,
            audit=self.audit,
            node=frame.settings.node.id,
        )
        frame.part("retention", retention.start, retention.close)
        dispatcher = ticket_dispatcher(
            frame.settings.handling,
            engine=self.engine,
            on_status=partial(frame.health.set, "dispatch"),
        )
        if dispatcher is not None:
            frame.health.count("dispatch", dispatcher.counts)
            frame.part("ticket dispatch", dispatcher.start, dispatcher.close)

    async def _open(self) -> None:
        frame = self._frame
        await migrate(self.engine)
        self.writer.start()
        frame.health.set("database", "ok")
        frame.health.count("records", self._count_records)
        wanted = frame.settings.agents
        frame.running.credentials = await seed(
            self.accounts,
            frame.directory.root,
            ids={
                "agent": wanted.seed,
                "supervisor": wanted.seed_supervisors,
                "inspector": wanted.seed_inspectors,
                "admin": wanted.seed_admins,
            },
            password=wanted.seed_password.get_secret_value() if wanted.seed_password else None,
        )
        if frame.settings.asr.enabled:
            await self.gaps.note_orphans()

    async def _close(self) -> None:
        await self.writer.close()
        await self.reader.dispose()
        await self.engine.dispose()

    async def _close_orphans(self) -> None:
        if orphans := await self.records.close_orphans(now=time.time()):
            log.warning("calls_of_an_earlier_life", ended=orphans)

    async def _open_knowledge(self) -> None:
        await import_knowledge(self.knowledge, self._frame.settings.tickets.knowledge)
        await learn_phrases(self.rules.writer, self.knowledge)
        await self.helper.start()

    async def _count_records(self) -> dict[str, int]:
        return {"unwritten": self.writer.pending}
