"""The one composition root: makes every object of a node from the settings and joins them.

Nobody else reads settings, and nothing here decides anything: who needs what stands in the
constructors, what depends on what in the order of ``parts``.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.driver_info import DriverInfo

import asr.model
import tickets
from agents.accounts import Accounts
from agents.presence import Presence
from asr.client import RecognizerClient
from asr.group import USUAL, RecognizerGroup
from calls.after_call import AfterCall
from calls.audit import AuditTrail
from calls.catch_up import CatchUp
from calls.gaps import GapStore
from calls.help import CallHelper
from calls.ladders import Ladders
from calls.late_words import LateWords
from calls.recording_files import RecordingFiles
from calls.records import CallRecords, RecordWriter
from calls.reporting.figures import Reporter
from calls.service import CallService
from config.settings import Settings
from eventbus.bus import EventBus
from eventbus.catalogue import TrunkChanged
from eventbus.fanout import RedisFanout
from hotline.attending import attending, line_up
from hotline.background import import_knowledge, retention_job, ticket_dispatcher
from hotline.browser_phone import BrowserPhones, phone_passes
from hotline.call_audio import audio_policy
from hotline.call_backs import call_backs
from hotline.children import ChildProcess, ChildState
from hotline.database import migrate, open_engine, open_reader
from hotline.directory import directory
from hotline.documents import Documents
from hotline.embedded import (
    DataDirectory,
    advertised_host,
    embedded_broker,
    embedded_redis,
    free_port,
    redis_url,
)
from hotline.event_carriers import broker_address, mqtt_publisher, own_broker
from hotline.exchange import TicketExchange
from hotline.floor import floor_of, presence_event
from hotline.gateway import sip_gateway
from hotline.health import HealthBoard
from hotline.media import MediaHealth, commands, process_count, usable_cores
from hotline.media import title as media_title
from hotline.metrics import NodeMetrics
from hotline.node import Node, Part, nothing
from hotline.other_nodes import other_nodes
from hotline.oversight import oversight
from hotline.overview import Overview
from hotline.recognisers import (
    RecogniserHealth,
    by_line,
    command,
    recognisers,
    takes_hints,
    title,
)
from hotline.recognition import usual_model, write_hints
from hotline.recording_keys import seal_keys
from hotline.routing import Routing
from hotline.seed import Credentials, seed
from hotline.sip_listeners import further_listeners
from hotline.spoken_names import learn_phrases
from hotline.ticket_rules import ticket_desk, ticket_rules
from telephony.bindings import RedisBindings
from telephony.media_commands import MediaEvent, RecordingFailed, RtpTimedOut
from telephony.media_pool import MediaPool
from telephony.trunks.service import TrunkStatus
from tickets.burst import BurstRule
from tickets.help.knowledge_base import KnowledgeBase
from tickets.help.similar import SimilarTickets
from tickets.store import TicketStore
from web.app import create_app
from web.server import WebServer
from web.sessions import RedisSessions

log = structlog.get_logger(__name__)

VERSION = "0.1.0"

#: More calls than one media process's ports can carry are answered 503 at once.
PORTS_PER_CALL = 4


@dataclass(slots=True)
class Running:
    """What the command line shows of a node: where it is and who can sign in."""

    web: tuple[str, int] = ("", 0)
    sip: tuple[str, int] = ("", 0)
    sip_listeners: Sequence[tuple[str, tuple[str, int]]] = ()
    mqtt: tuple[str, int] = ("", 0)
    credentials: Sequence[Credentials] = ()
    model: str = ""
    children: dict[str, ChildProcess] = field(default_factory=dict)


class Wiring:
    """A node in the making.

    Args:
        settings: all of them.
        directory: the data directory, claimed by this process.
        demonstration_model: recognise with the model that understands only synthetic speech, if
            there is no other.
    """

    def __init__(
        self, settings: Settings, directory: DataDirectory, *, demonstration_model: bool = False
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._demonstration_model = demonstration_model
        self.running = Running()
        self.bus = EventBus()
        self.health = HealthBoard(bus=self.bus, wall_clock=time.time)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._parts: list[Part] = []

    def build(self, *, on_progress: Callable[[str], None] | None = None) -> Node:
        """Make everything and return the node; call inside the running loop."""
        self._redis()
        self._database()
        self._event_carriers()
        self._media()
        self._recogniser()
        self._agents()
        telephony = self._telephony()
        self._documents()
        self._oversight()
        self._web()
        # The last to start and the first to stop: whoever is still talking keeps his desktop.
        self._parts.append(telephony)
        return Node(self._parts, on_progress=on_progress)

    @property
    def recognises_only_synthetic_speech(self) -> bool:
        """Whether the demonstration model is in use."""
        return self.running.model == asr.model.SYNTHETIC.name

    # -- parts, in the order of their start --------------------------------------------------------

    def _redis(self) -> None:
        settings = self._settings.redis
        url = settings.url or redis_url(self._directory)
        if settings.url is None:
            self._child(embedded_redis(self._directory, on_state=self._child_state))
        self.redis = Redis.from_url(
            url,
            # No socket_timeout: redis-py would make a task for each command's sending, which costs
            # more than the command. All who use this client have time-outs of their own.
            socket_connect_timeout=1.0,
            health_check_interval=5,
            # Whoever uses it has his own way on without Redis; repeating would only delay that.
            retry=Retry(NoBackoff(), 0),
            # Told once: otherwise each new connection looks its own version up on the disk.
            driver_info=DriverInfo(),
        )
        self._parts.append(Part("redis connection", nothing, self.redis.aclose))

    def _database(self) -> None:
        self.engine = open_engine(self._settings.database.url or self._directory.database_url)
        self._reader = open_reader(self.engine)
        self._writer = RecordWriter(self.engine, on_status=partial(self.health.set, "database"))
        self.records = CallRecords(self.engine, self._writer, node=self._settings.node.id)
        self.gaps = GapStore(self.engine, self._writer, node=self._settings.node.id)
        self.audit = AuditTrail(self.engine, self._writer)
        self.after_call = AfterCall(
            self.engine, self._writer, dispositions=self._settings.rating.dispositions
        )
        self.desk = ticket_desk(self._settings.handling, self.engine)
        rules = ticket_rules(self._settings.tickets)
        self.sorting, self.gazetteer, self.writer = rules.sorting, rules.gazetteer, rules.writer
        self.places, self.urgency = rules.places, rules.urgency
        self.tickets = TicketStore(self.engine, reader=self._reader, sorting=self.sorting)
        self._callers_who_wait()
        self.accounts = Accounts(self.engine, realm=self._settings.sip.realm)
        self._parts.append(Part("database", self._open_database, self._close_database))
        # The dictionary takes a second to load: not during the first call, and not on this loop.
        self._parts.append(
            Part("ticket rules", partial(asyncio.to_thread, tickets.warm_up), nothing)
        )
        self._knowledge()
        self._after_the_call()

    @property
    def _prompts(self) -> Path:
        """Where this node keeps what it plays: what ships, or what an administrator gave."""
        return (self._directory.root / "prompts").absolute()

    def _callers_who_wait(self) -> None:
        """What callers hear from the system, and the list of whom to call back."""
        self.line_up = line_up(self._settings)
        self.bus.subscribe(self.line_up.take)
        self.call_backs = call_backs(
            self._settings,
            engine=self.engine,
            reader=self._reader,
            bus=self.bus,
            floor=lambda: self.floor,
            audit=self.audit,
        )
        self.attending = attending(
            self._settings,
            prompts=self._prompts,
            who_waits=self.line_up,
            on_call_back=self.call_backs.missed,
            position=lambda call_id: self.floor.position(call_id),  # noqa: PLW0108 -- made later
            on_rating=lambda call_id, agent_id, seq, rated: self.after_call.rated(
                call_id, agent_id, seq, rated, at=time.time()
            ),
        )

    def _knowledge(self) -> None:
        """What helps the agent while the citizen speaks."""
        self.knowledge = KnowledgeBase(self.engine)
        self.helper = CallHelper(
            bus=self.bus,
            knowledge=self.knowledge,
            similar=SimilarTickets(self.engine),
            wall_clock=time.time,
        )

        async def start() -> None:
            await import_knowledge(self.knowledge, self._settings.tickets.knowledge)
            await learn_phrases(self.writer, self.knowledge)
            await self.helper.start()

        self._parts.append(Part("knowledge base", start, self.helper.close))

    def _after_the_call(self) -> None:
        """What goes on with records and tickets in the background."""
        retention = retention_job(self._settings.retention, engine=self.engine, audit=self.audit)
        self._parts.append(Part("retention", retention.start, retention.close))
        dispatcher = ticket_dispatcher(
            self._settings.handling,
            engine=self.engine,
            on_status=partial(self.health.set, "dispatch"),
        )
        if dispatcher is None:
            return
        self.health.count("dispatch", dispatcher.counts)
        self._parts.append(Part("ticket dispatch", dispatcher.start, dispatcher.close))

    async def _open_database(self) -> None:
        await migrate(self.engine)
        self._writer.start()
        self.health.set("database", "ok")
        self.health.count("records", self._count_records)
        self.health.count("call_backs", self.call_backs.counts)
        wanted = self._settings.agents
        self.running.credentials = await seed(
            self.accounts,
            self._directory.root,
            ids={
                "agent": wanted.seed,
                "supervisor": wanted.seed_supervisors,
                "inspector": wanted.seed_inspectors,
                "admin": wanted.seed_admins,
            },
            password=wanted.seed_password.get_secret_value() if wanted.seed_password else None,
        )
        await self.gaps.note_orphans()
        await self.call_backs.start()
        if orphans := await self.records.close_orphans(now=time.time()):
            log.warning("calls_of_an_earlier_life", ended=orphans)

    async def _close_database(self) -> None:
        await self.call_backs.close()
        await self._writer.close()
        await self._reader.dispose()
        await self.engine.dispose()

    async def _count_records(self) -> dict[str, int]:
        return {"unwritten": self._writer.pending}

    def _event_carriers(self) -> None:
        settings = self._settings.mqtt
        if settings.url is None:
            port = free_port(settings.port)
            self._child(embedded_broker(self._directory, port=port, on_state=self._child_state))
            self._broker = own_broker(port)
        else:
            self._broker = broker_address(settings.url, settings)
        self.running.mqtt = (self._broker.host, self._broker.port)
        publisher = mqtt_publisher(
            self._broker,
            node=self._settings.node.id,
            prefix=settings.topic_prefix,
            outbox=self._directory.root / "outbox.db",
            on_status=partial(self.health.set, "mqtt"),
        )
        fanout = RedisFanout(
            bus=self.bus,
            redis=self.redis,
            node=self._settings.node.id,
            prefix=self._settings.redis.prefix,
        )
        self._parts.append(Part("event fan-out", fanout.start, fanout.close))

        async def start_publishing() -> None:
            await publisher.start()
            self.bus.subscribe(publisher.publish, own_only=True)
            self.health.count("outbox", publisher.counts)

        self._parts.append(Part("MQTT publisher", start_publishing, publisher.close))

    def _media(self) -> None:
        settings, cores = self._settings.media, usable_cores()
        count = process_count(settings, len(cores))
        paths = [self._directory.socket(f"{media_title(number)}.sock") for number in range(count)]
        self._media_health = MediaHealth(count, partial(self.health.set, "media"))
        for number, argv in enumerate(commands(settings, paths, cores)):
            self._child(ChildProcess(media_title(number), argv, on_state=self._child_state))
        self.media = MediaPool(
            socket_paths=paths, on_lost=self._on_media_lost, on_event=self._on_media_event
        )

        async def connect() -> None:
            await self.media.start()
            async with asyncio.timeout(30):
                await self.media.wait_connected()
            self.health.count("media", self.media.counts)
            if count > 1:
                for number, client in enumerate(self.media.clients, 1):
                    self.health.count(f"media_{number}", client.counts)

        self._parts.append(Part("media connection", connect, self.media.close))

    def _recogniser(self) -> None:
        settings = self._settings.asr
        health = self.recogniser_health = RecogniserHealth(partial(self.health.set, "recogniser"))
        clients: dict[str, RecognizerClient] = {}
        for name, recogniser in recognisers(settings).items():
            path = self._directory.socket(f"asr-{len(clients)}.sock")
            clients[name] = RecognizerClient(
                socket_path=path,
                on_result=self._on_result,
                on_status=partial(self._on_recogniser_status, health, name),
                on_load=partial(health.load, name),
            )
            if not settings.enabled:
                continue
            model = recogniser.model_path
            if name == USUAL:
                self.running.model, model = usual_model(
                    settings, model, demonstration=self._demonstration_model
                )
            named = (
                self._directory.run / f"{title(name)}.phrases" if takes_hints(recogniser) else None
            )
            if named is not None:
                write = partial(
                    write_hints,
                    named,
                    recogniser.phrases_path,
                    names=self.gazetteer.names if self.gazetteer is not None else (),
                    knowledge=self.knowledge,
                )
                self._parts.append(Part(f"phrase hints of {title(name)}", write, nothing))
            argv = command(settings, recogniser, socket=path, model=model, hints=named)
            self._child(ChildProcess(title(name), argv, on_state=self._child_state))
        self.recognizer = RecognizerGroup(clients)
        self.late_words = LateWords(
            records=self.records,
            tickets=self.tickets,
            writer=self.writer,
            bus=self.bus,
            sorting=self.sorting,
            rules=self.urgency,
        )
        self.catch_up = CatchUp(
            gaps=self.gaps,
            recognizer=self.recognizer,
            writer=self.writer,
            bus=self.bus,
            late_words=self.late_words,
            # The service is made after this.
            is_live=lambda call_id: self.calls.is_live(call_id),  # noqa: PLW0108 -- see above
            files=RecordingFiles(seal_keys(self._settings)),
        )
        self.health.count("recogniser", self.recognizer.counts)
        if not settings.enabled:
            self.health.set("recogniser", "off", "asr.enabled is false")
            return
        self._parts.append(
            Part("recogniser connection", self.recognizer.start, self.recognizer.close)
        )
        self.health.count("missed", self.catch_up.counts)
        self._parts.append(Part("catching up", self.catch_up.start, self.catch_up.close))

    def _agents(self) -> None:
        self.floor = floor_of(self._settings, self.redis)
        self.floor.on_presence = self._on_presence
        self.floor.on_status = partial(self.health.set, "redis")

        async def start() -> None:
            await self.floor.start()
            self.health.set("redis", self.floor.status)
            self.health.count("floor", self.floor.counts)

        self._parts.append(Part("floor", start, self.floor.close))
        self.routing = Routing(
            self._settings,
            engine=self.engine,
            reader=self._reader,
            writer=self._writer,
            accounts=self.accounts,
            audit=self.audit,
            floor=self.floor,
            bus=self.bus,
            health=self.health,
        )
        self._parts.append(Part("routing", self.routing.start, self.routing.close))

    def _telephony(self) -> Part:
        settings = self._settings.sip
        reached = (advertised_host(settings.host, settings.advertised_host), settings.port)
        self.bindings = RedisBindings(self.redis, prefix=self._settings.redis.prefix)
        self.sessions = RedisSessions(
            self.redis,
            prefix=self._settings.redis.prefix,
            idle_seconds=self._settings.web.session_idle_seconds,
        )
        self.passes = phone_passes(self.accounts, settings, self.sessions.lasts)
        self.gateway = sip_gateway(
            self._settings,
            advertised=reached,
            certificates=self._directory.root / "tls",
            credentials=self.passes,
            bindings=self.bindings,
            on_call=self._on_call,
            on_registered=self._on_registered,
            on_trunk=self._on_trunk,
        )
        media = self._settings.media
        ports = media.port_last - media.port_first + 1
        self.exchange = TicketExchange(
            self._settings,
            broker=self._broker,
            engine=self.engine,
            desk=self.desk,
            bus=self.bus,
            # The service is made after this.
            ticket=lambda ticket_id: self.calls.ticket(ticket_id),  # noqa: PLW0108 -- see above
            on_status=partial(self.health.set, "exchange"),
        )
        self._parts.append(Part("ticket exchange", self.exchange.start, self.exchange.close))
        self.health.count("exchange", self.exchange.service.counts)
        self.ladders = Ladders(bus=self.bus, wire=self.gateway.wire, records=self.records)
        self.calls = CallService(
            tie=self.ladders.tie,
            attending=self.attending,
            after_call=self.after_call,
            on_rejected=lambda call_id, number, line: self.call_backs.missed(
                call_id, number, line, "missed"
            ),
            gateway=self.gateway,
            bindings=self.bindings,
            media=self.media,
            recognizer=self.recognizer,
            recogniser_by_line=by_line(self._settings.asr, self._settings.lines),
            floor=self.floor,
            records=self.records,
            gaps=self.gaps,
            tickets=self.tickets,
            desk=self.desk,
            bus=self.bus,
            lines={number: line.name for number, line in self._settings.lines.items()},
            places=self.places,
            directory=directory(self._settings, skills=self.routing.router.skills),
            place_call=self.gateway.dial,
            carry=self.exchange.carry,
            role_of=self._role_of,
            partner_seconds=self._settings.dialing.ring_seconds,
            echo=self._settings.dialing.echo,
            no_answer_seconds=settings.no_answer_seconds,
            secure_phones=media.secure_phones,
            max_calls=ports // PORTS_PER_CALL,
            media_host=advertised_host(
                media.host, media.advertised_host or settings.advertised_host
            ),
            recordings=self._recordings(),
            music=self._prompts / "music.wav",
            audio=audio_policy(self._settings),
            route=self.routing.router.route,
            refuses=self.routing.router.refuses,
            wall_clock=time.time,
            sorting=self.sorting,
            writer=self.writer,
            urgency=self.urgency,
            burst=BurstRule(
                self._settings.tickets.burst_tickets, self._settings.tickets.burst_seconds
            ),
        )
        self.floor.on_offer = self.calls.on_offer
        self.call_backs.click = self.calls.clicks.call
        self.calls.clicks.while_not_ready = self._settings.call_back.while_not_ready

        async def start() -> None:
            further = further_listeners(self._settings)
            await self.gateway.open(settings.host, settings.port, further=further)
            self.running.sip = reached
            self.running.sip_listeners = [
                (bound.transport, bound.advertised) for bound in self.gateway.endpoint.listeners
            ]
            self._show_trunks()
            self.health.count("sip", self._count_sip)
            self.health.count("calls", self._count_calls)
            self.health.accepting = True

        async def stop() -> None:
            self.health.accepting = False
            await self.calls.drain(self._settings.node.stop_seconds)
            await self.gateway.close()
            self.ladders.close()
            await self.bindings.close()

        return Part("telephony", start, stop)

    def _documents(self) -> None:
        """What administrators change while calls go on."""
        self.documents = Documents(
            self._settings,
            engine=self.engine,
            bus=self.bus,
            note=self.audit.note,
            routing=self.routing.book,
            prompts=self._prompts,
        )
        self.documents.join(
            calls=self.calls,
            exchange=self.exchange,
            trunks=self.gateway.trunks,
            helper=self.helper,
            late_words=self.late_words,
            sorting=self.sorting,
            writer=self.writer,
            places=lambda known: self.places.take(known.names),
        )
        self._parts.append(Part("documents", self.documents.start, self.documents.close))

    def _recordings(self) -> Path | None:
        settings = self._settings.recording
        if not settings.enabled:
            return None
        return (settings.directory or self._directory.recordings).absolute()

    async def _count_sip(self) -> dict[str, int]:
        return {**self.gateway.counts(), **self.gateway.strangers()}

    async def _count_calls(self) -> dict[str, int]:
        return self.calls.counts()

    def _oversight(self) -> None:
        self.oversight, part = oversight(
            self._settings,
            engine=self.engine,
            writer=self._writer,
            redis=self.redis,
            bus=self.bus,
            calls=self.calls,
            floor=self.floor,
            accounts=self.accounts,
        )
        self._parts.append(part)

    def _web(self) -> None:
        settings = self._settings.web
        others, part = other_nodes(
            self._settings, redis=self.redis, engine=self.engine, is_live=self.calls.is_live
        )
        self._parts.append(part)
        app = create_app(
            others=others,
            calls=self.calls,
            floor=self.floor,
            accounts=self.accounts,
            audit=self.audit,
            helper=self.helper,
            ladders=self.ladders,
            metrics=NodeMetrics(
                health=self.health.report,
                tally=self.gateway.wire.tally,
                counters=self.gateway.endpoint.counters,
            ),
            metrics_allowed=settings.metrics_allow,
            knowledge=self.knowledge,
            exchange=self.exchange.service,
            call_backs=self.call_backs,
            breaks=self.routing.breaks,
            after_call=self.after_call,
            reports=Reporter(
                self.engine,
                lines={number: line.name for number, line in self._settings.lines.items()},
            ),
            oversight=self.oversight,
            routing=self.routing.book,
            documents=self.documents.books,
            prompts=self.documents.prompts,
            on_desktop=self._on_desktop,
            phones=BrowserPhones(self.passes, self.gateway),
            bus=self.bus,
            health=self.health.report,
            system=Overview(
                node=self._settings.node.id,
                health=self.health.report,
                nodes=self.call_backs.nodes,
                expiry_seconds=self._settings.agents.node_expiry_seconds,
                trunks=self.gateway.trunks.statuses,
                bindings=self.bindings,
                children=self.running.children,
                recognisers=self.recogniser_health.each,
                loads=self.recognizer.each_counts,
            ),
            version=VERSION,
            sessions=self.sessions,
        )
        server = WebServer(app)

        async def start() -> None:
            _, port = await server.start(settings.host, settings.port)
            self.running.web = advertised_host(settings.host, None), port

        self._parts.append(Part("web", start, server.close))

    # -- who tells whom ----------------------------------------------------------------------------

    def _child(self, child: ChildProcess) -> None:
        self.running.children[child.name] = child
        self._parts.append(Part(child.name, child.start, child.stop))

    def _child_state(self, name: str, state: ChildState) -> None:
        self._media_health.state(name, state)

    async def _role_of(self, agent_id: str) -> str | None:
        account = await self.accounts.get(agent_id)
        return account.role if account is not None else None

    def _on_call(self, leg: Any) -> None:
        self.calls.on_call(leg)

    def _on_result(self, stream: str, result: Any) -> None:
        if not self.catch_up.on_result(stream, result):
            self.calls.on_result(stream, result)

    def _on_media_lost(self, sessions: Sequence[str]) -> None:
        self.calls.on_media_lost(sessions)

    def _on_media_event(self, event: MediaEvent) -> None:
        if isinstance(event, RecordingFailed):
            self._media_health.recording_failed(event.reason)
        elif isinstance(event, RtpTimedOut):
            self.calls.on_rtp_timeout(event.session, event.seconds)
        else:
            self.calls.on_media_event(event)

    def _on_recogniser_status(
        self, health: RecogniserHealth, name: str, status: str, detail: str | None
    ) -> None:
        if status == "ok":
            self.calls.on_recognizer_back()
        else:
            self.calls.on_recognizer_away()
        health.status(name, status, detail)

    def _on_presence(self, presence: Presence) -> None:
        self.bus.publish(presence_event(presence, at=time.time()))

    def _on_trunk(self, trunk: TrunkStatus) -> None:
        self.bus.publish(
            TrunkChanged(at=time.time(), trunk=trunk.name, up=trunk.up, reason=trunk.reason)
        )
        self._show_trunks()

    def _show_trunks(self) -> None:
        down = [trunk for trunk in self.gateway.trunks.statuses() if not trunk.up]
        ways_out = [trunk for trunk in self.gateway.trunks.statuses() if trunk.outbound]
        detail = "; ".join(f"{trunk.name}: {trunk.reason}" for trunk in down) or None
        away = bool(ways_out) and not any(trunk.up for trunk in ways_out)
        self.health.set("trunks", "away" if away else "degraded" if down else "ok", detail)

    def _on_desktop(self, agent_id: str, connected: bool) -> None:  # noqa: FBT001 - a callback
        self._spawn(self.floor.set_desktop(agent_id, connected=connected), f"desktop-{agent_id}")

    def _on_registered(self, aor: str, phones: int) -> None:
        self._spawn(self.floor.set_phones(aor, phones), f"phones-{aor}")

    def _spawn(self, work: Coroutine[Any, Any, object], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
