"""The one composition root: makes every object of a node from the settings and joins them.

Nobody else reads settings, and nothing here decides anything: who needs what stands in the
constructors, what depends on what in the order of ``parts``.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import asr.model
from agents.ended_sessions import EndedSessions
from agents.presence import Presence
from calls.ladders import Ladders
from calls.reporting.figures import Reporter
from calls.service import CallService
from config.settings import Settings
from eventbus.catalogue import TrunkChanged
from hotline.attending import attending, line_up
from hotline.browser_phone import BrowserPhones, phone_passes
from hotline.call_audio import audio_policy
from hotline.call_backs import call_backs
from hotline.directory import directory
from hotline.documents import Documents
from hotline.embedded import DataDirectory, advertised_host
from hotline.event_carriers import add_event_carriers, add_redis
from hotline.exchange import TicketExchange
from hotline.floor import floor_of, presence_event
from hotline.frame import Frame
from hotline.gateway import sip_gateway
from hotline.hearing import Hearing
from hotline.media_processes import MediaProcesses
from hotline.metrics import NodeMetrics
from hotline.node import Node, Part
from hotline.other_nodes import other_nodes
from hotline.oversight import oversight
from hotline.overview import Overview
from hotline.recognisers import by_line
from hotline.routing import Routing
from hotline.sip_listeners import further_listeners
from hotline.storage import Storage
from hotline.trunks import trunk_health
from telephony.lives import RedisLives
from telephony.media_commands import MediaEvent, RtpTimedOut
from telephony.redis_bindings import RedisBindings
from telephony.trunks.service import TrunkStatus
from tickets.burst import BurstRule
from web.app import create_app
from web.feed import FeedHub
from web.server import WebServer
from web.services import Services
from web.sessions import RedisSessions

VERSION = "0.1.0"

#: More calls than one media process's ports can carry are answered 503 at once.
PORTS_PER_CALL = 4


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
        self._demonstration_model = demonstration_model
        self.frame = Frame(settings, directory)
        self.running = self.frame.running
        self.bus, self.health = self.frame.bus, self.frame.health

    def build(self, *, on_progress: Callable[[str], None] | None = None) -> Node:
        """Make everything and return the node; call inside the running loop."""
        self.redis = add_redis(self.frame)
        self.storage = Storage(self.frame)
        self._callers_who_wait()
        self.storage.add_what_follows()
        self.broker = add_event_carriers(self.frame, self.redis)
        self.media = MediaProcesses(
            self.frame, on_lost=self._on_media_lost, on_event=self._on_media_event
        )
        self.hearing = Hearing(
            self.frame,
            self.storage,
            demonstration_model=self._demonstration_model,
            # The service is made after this.
            is_live=lambda call_id: self.calls.is_live(call_id),  # noqa: PLW0108 -- see above
            on_result=self._on_result,
            on_here=self._on_recogniser,
        )
        self._agents()
        self._signed_in()
        self._sip()
        self._tickets_with_partners()
        self._calls()
        telephony = self._telephony()
        self._documents()
        self._oversight()
        self._web()
        # The last to start and the first to stop: whoever is still talking keeps his desktop.
        self.frame.parts.append(telephony)
        return Node(
            self.frame.parts,
            on_progress=on_progress,
            give_way=self.frame.precedence.give_way,
        )

    @property
    def recognises_only_synthetic_speech(self) -> bool:
        """Whether the demonstration model is in use."""
        return self.running.model == asr.model.SYNTHETIC.name

    # -- parts, in the order of their start --------------------------------------------------------

    def _callers_who_wait(self) -> None:
        """What callers hear from the system, and the list of whom to call back."""
        self.line_up = line_up(self._settings)
        self.bus.subscribe(self.line_up.take)
        self.call_backs = call_backs(
            self._settings,
            engine=self.storage.engine,
            reader=self.storage.reader,
            bus=self.bus,
            floor=lambda: self.floor,
            reserved=lambda: self.routing.book.plan.reserved,
            audit=self.storage.audit,
            give_way=self.frame.precedence.give_way,
        )
        self.attending = attending(
            self._settings,
            prompts=self.frame.prompts,
            who_waits=self.line_up,
            on_call_back=self.call_backs.missed,
            position=lambda call_id: self.floor.position(call_id),  # noqa: PLW0108 -- made later
            on_rating=lambda call_id, agent_id, seq, rated: self.storage.after_call.rated(
                call_id, agent_id, seq, rated, at=time.time()
            ),
        )
        self.health.count("call_backs", self.call_backs.counts)
        self.frame.part("call-back list", self.call_backs.start, self.call_backs.close)

    def _agents(self) -> None:
        self.floor = floor_of(self._settings, self.redis)
        self.floor.on_presence = self._on_presence
        self.floor.on_status = partial(self.health.set, "redis")

        async def start() -> None:
            await self.floor.start()
            self.health.set("redis", self.floor.status)
            self.health.count("floor", self.floor.counts)

        self.frame.part("floor", start, self.floor.close)
        self.routing = Routing(
            self._settings,
            engine=self.storage.engine,
            reader=self.storage.reader,
            writer=self.storage.writer,
            accounts=self.storage.accounts,
            audit=self.storage.audit,
            floor=self.floor,
            bus=self.bus,
            health=self.health,
        )
        self.frame.part("routing", self.routing.start, self.routing.close)

    def _signed_in(self) -> None:
        """Sessions on the web, and the passes that pages' phones register with."""
        idle = self._settings.web.session_idle_seconds
        self.sessions = RedisSessions(
            self.redis,
            ended=EndedSessions(self.storage.engine, seconds=idle),
            prefix=self._settings.redis.prefix,
            idle_seconds=idle,
        )
        self.passes = phone_passes(self.storage.accounts, self._settings.sip, self.sessions.lasts)

    def _sip(self) -> None:
        settings = self._settings.sip
        self.reached = (advertised_host(settings.host, settings.advertised_host), settings.port)
        self.bindings = RedisBindings(
            self.redis,
            prefix=self._settings.redis.prefix,
            is_alive=lambda hop: self.gateway.endpoint.is_alive(hop),  # noqa: PLW0108 - made below
        )
        self.gateway = sip_gateway(
            self._settings,
            advertised=self.reached,
            certificates=self.frame.directory.root / "tls",
            credentials=self.passes,
            bindings=self.bindings,
            lives=RedisLives(self.redis, prefix=self._settings.redis.prefix),
            on_call=self._on_call,
            # The service is made after this.
            on_coming=lambda caller, trunk: self.calls.on_coming(caller, trunk),  # noqa: PLW0108
            precedence=self.frame.precedence,
            on_registered=self._on_registered,
            on_trunk=self._on_trunk,
        )

    def _tickets_with_partners(self) -> None:
        self.exchange = TicketExchange(
            self._settings,
            broker=self.broker,
            engine=self.storage.engine,
            desk=self.storage.desk,
            bus=self.bus,
            # The service is made after this.
            ticket=lambda ticket_id: self.calls.ticket(ticket_id),  # noqa: PLW0108 -- see above
            on_status=partial(self.health.set, "exchange"),
        )
        self.frame.part("ticket exchange", self.exchange.start, self.exchange.close)
        self.health.count("exchange", self.exchange.service.counts)

    def _calls(self) -> None:
        sip, media = self._settings.sip, self._settings.media
        ports = media.port_last - media.port_first + 1
        self.ladders = Ladders(bus=self.bus, wire=self.gateway.wire, records=self.storage.records)
        self.calls = CallService(
            tie=self.ladders.tie,
            attending=self.attending,
            after_call=self.storage.after_call,
            on_rejected=lambda call_id, number, line: self.call_backs.missed(
                call_id, number, line, "missed"
            ),
            gateway=self.gateway,
            bindings=self.bindings,
            media=self.media.pool,
            recognizer=self.hearing.group,
            recogniser_by_line=by_line(self._settings.asr, self._settings.lines),
            floor=self.floor,
            records=self.storage.records,
            gaps=self.storage.gaps,
            tickets=self.storage.tickets,
            desk=self.storage.desk,
            bus=self.bus,
            precedence=self.frame.precedence,
            lines={number: line.name for number, line in self._settings.lines.items()},
            places=self.storage.rules.places,
            directory=directory(self._settings, skills=self.routing.router.skills),
            place_call=self.gateway.dial,
            carry=self.exchange.carry,
            role_of=self._role_of,
            partner_seconds=self._settings.dialing.ring_seconds,
            echo=self._settings.dialing.echo,
            no_answer_seconds=sip.no_answer_seconds,
            secure_phones=media.secure_phones,
            max_calls=ports // PORTS_PER_CALL,
            media_host=advertised_host(media.host, media.advertised_host or sip.advertised_host),
            recordings=self._recordings(),
            music=self.frame.prompts / "music.wav",
            audio=audio_policy(self._settings),
            route=self.routing.router.route,
            foresee=self.routing.router.foresee,
            refuses=self.routing.router.refuses,
            wall_clock=time.time,
            sorting=self.storage.rules.sorting,
            writer=self.storage.rules.writer,
            urgency=self.storage.rules.urgency,
            burst=BurstRule(
                self._settings.tickets.burst_tickets, self._settings.tickets.burst_seconds
            ),
        )
        self.floor.on_offer = self.calls.on_offer
        self.routing.keeper.on_planned = self.calls.on_rules_changed
        self.call_backs.click = self.calls.clicks.call
        self.calls.clicks.while_not_ready = self._settings.call_back.while_not_ready

    def _telephony(self) -> Part:
        """Return what opens the way in for calls, and closes it when those under way have ended."""
        settings = self._settings.sip

        async def start() -> None:
            further = further_listeners(self._settings)
            await self.gateway.open(settings.host, settings.port, further=further)
            self.running.sip = self.reached
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
            engine=self.storage.engine,
            bus=self.bus,
            note=self.storage.audit.note,
            routing=self.routing.book,
            prompts=self.frame.prompts,
        )
        self.documents.join(
            calls=self.calls,
            desk=self.storage.desk,
            exchange=self.exchange,
            trunks=self.gateway.trunks,
            helper=self.storage.helper,
            late_words=self.hearing.late_words,
            sorting=self.storage.rules.sorting,
            writer=self.storage.rules.writer,
            places=lambda known: self.storage.rules.places.take(known.names),
        )
        self.frame.part("documents", self.documents.start, self.documents.close)

    def _recordings(self) -> Path | None:
        settings = self._settings.recording
        if not settings.enabled:
            return None
        return (settings.directory or self.frame.directory.recordings).absolute()

    async def _count_sip(self) -> dict[str, int]:
        return {**self.gateway.counts(), **self.gateway.strangers()}

    async def _count_calls(self) -> dict[str, int]:
        return self.calls.counts()

    def _oversight(self) -> None:
        self.oversight, part = oversight(
            self._settings,
            engine=self.storage.engine,
            writer=self.storage.writer,
            redis=self.redis,
            bus=self.bus,
            calls=self.calls,
            floor=self.floor,
            accounts=self.storage.accounts,
            give_way=self.frame.precedence.give_way,
        )
        self.frame.parts.append(part)

    def _web(self) -> None:
        settings = self._settings.web
        others, part = other_nodes(
            self._settings, redis=self.redis, engine=self.storage.engine, is_live=self.calls.is_live
        )
        self.frame.parts.append(part)
        services = Services(
            others=others,
            calls=self.calls,
            floor=self.floor,
            accounts=self.storage.accounts,
            audit=self.storage.audit,
            helper=self.storage.helper,
            ladders=self.ladders,
            metrics=NodeMetrics(
                health=self.health.report,
                tally=self.gateway.wire.tally,
                counters=self.gateway.endpoint.counters,
            ),
            metrics_allowed=settings.metrics_allow,
            knowledge=self.storage.knowledge,
            exchange=self.exchange.service,
            call_backs=self.call_backs,
            breaks=self.routing.breaks,
            after_call=self.storage.after_call,
            reports=Reporter(
                self.storage.engine,
                lines={number: line.name for number, line in self._settings.lines.items()},
            ),
            oversight=self.oversight,
            routing=self.routing.book,
            documents=self.documents.books,
            prompts=self.documents.prompts,
            phones=BrowserPhones(self.passes, self.gateway, echo=self._settings.dialing.echo),
            feed=FeedHub(bus=self.bus, on_desktop=self._on_desktop),
            health=self.health.report,
            system=Overview(
                node=self._settings.node.id,
                health=self.health.report,
                nodes=self.call_backs.nodes,
                expiry_seconds=self._settings.agents.node_expiry_seconds,
                trunks=self.gateway.trunks.statuses,
                bindings=self.bindings,
                children=self.running.children,
                recognisers=self.hearing.health.each,
                loads=self.hearing.group.each_counts,
            ),
            version=VERSION,
            sessions=self.sessions,
        )
        server = WebServer(create_app(services))

        async def start() -> None:
            _, port = await server.start(settings.host, settings.port)
            self.running.web = advertised_host(settings.host, None), port

        self.frame.part("web", start, server.close)

    # -- who tells whom ----------------------------------------------------------------------------

    async def _role_of(self, agent_id: str) -> str | None:
        account = await self.storage.accounts.get(agent_id)
        return account.role if account is not None else None

    def _on_call(self, leg: Any) -> None:
        self.calls.on_call(leg)

    def _on_result(self, stream: str, result: Any) -> None:
        self.calls.on_result(stream, result)

    def _on_media_lost(self, sessions: Sequence[str]) -> None:
        self.calls.on_media_lost(sessions)

    def _on_media_event(self, event: MediaEvent) -> None:
        if isinstance(event, RtpTimedOut):
            self.calls.on_rtp_timeout(event.session, event.seconds)
        else:
            self.calls.on_media_event(event)

    def _on_recogniser(self, here: bool) -> None:  # noqa: FBT001 - a callback
        if here:
            self.calls.on_recognizer_back()
        else:
            self.calls.on_recognizer_away()

    def _on_presence(self, presence: Presence) -> None:
        self.bus.publish(presence_event(presence, at=time.time()))

    def _on_trunk(self, trunk: TrunkStatus) -> None:
        self.bus.publish(
            TrunkChanged(at=time.time(), trunk=trunk.name, up=trunk.up, reason=trunk.reason)
        )
        self._show_trunks()

    def _show_trunks(self) -> None:
        self.health.set("trunks", *trunk_health(self.gateway.trunks.statuses()))

    def _on_desktop(self, agent_id: str, connected: bool) -> None:  # noqa: FBT001 - a callback
        self.frame.spawn(
            self.floor.set_desktop(agent_id, connected=connected), f"desktop-{agent_id}"
        )

    def _on_registered(self, aor: str, phones: int) -> None:
        self.frame.spawn(self.floor.set_phones(aor, phones), f"phones-{aor}")
