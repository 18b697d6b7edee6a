"""A call service with everything real but the networks: legs, media and recogniser are stand-ins.

The floor is the real one on its model, records and tickets are in a real SQLite.
"""

import asyncio
import datetime as dt
import itertools
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from agents.commands import Engine
from agents.floor_model import FloorModel
from agents.node_floor import NodeFloor
from asr.group import RecognizerGroup
from calls.attending.attendant import Attending
from calls.audio_policy import G711_ONLY, AudioPolicy
from calls.directory import Directory, Partner
from calls.gaps import GapStore
from calls.records import CallRecords, RecordWriter
from calls.records import metadata as calls_metadata
from calls.routing import Route, anybody
from calls.service import CallService
from calls.views import CallView
from eventbus.bus import EventBus
from eventbus.catalogue import Event
from telephony.bindings import Binding, MemoryBindings
from telephony.gateway import NoTrunk, SipGateway
from telephony.leg import Leg, LegAnswered, LegEnded, LegEvent
from telephony.media.control import Item, Watched
from telephony.media_client import MediaClient, MediaRefused, MediaUnavailable, RecordingInfo
from telephony.media_commands import SessionStats
from telephony.sip.audio_formats import AudioFormat
from telephony.sip.dialog import DialogId
from telephony.sip.identity import NOBODY, Forwarding, Identity
from telephony.sip.offer_answer import build_offer
from tests.support.floors import TIMES, Clock, ModelEngine
from tests.support.node import until
from tickets.handling import TicketDesk
from tickets.life import Deadlines
from tickets.store import TicketStore
from tickets.store import metadata as tickets_metadata
from tickets.working_days import Calendar

PCMA, PCMU = AudioFormat("PCMA", 8), AudioFormat("PCMU", 0)


def sdp(*formats: AudioFormat, host: str = "127.0.0.1", port: int = 4000) -> str:
    """Return a phone's session description."""
    return build_offer(host=host, port=port, formats=formats or (PCMA,), session_id=1, version=1)


def names_of(items: Sequence[Item]) -> list[str]:
    """Return what is played, as ``zh/welcome``."""
    files = [item.file for item in items if item.file is not None]
    return [f"{file.parent.name}/{file.stem}" for file in files]


@dataclass
class StandInLeg:
    """What the owner uses of a leg; notes what it was told to do."""

    remote_sdp: str | None = None
    caller: str | None = "13862311001"
    called: str = "12345"
    sip_call_id: str = "sip-1"
    source: tuple[str, int] = ("127.0.0.1", 5060)
    offer: str = ""
    on_event: Callable[[LegEvent], None] = lambda _event: None
    done: list[str] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    over: bool = False
    account: str | None = None
    replaces: Any = None
    identity: Identity = NOBODY
    forwardings: tuple[Forwarding, ...] = ()
    dialog_ids: tuple[DialogId, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    trunk: str | None = None
    reference: str | None = None
    hops_left: int = 69
    hops: int | None = None
    display: str | None = None
    elsewhere: Callable[[str], bool] = lambda _number: False

    def ring(self, status: int = 180, *, sdp: str | None = None) -> None:
        self.done.append("ring" if status == 180 else f"ring {status}")
        if sdp is not None:
            self.answers.append(sdp)

    def answer_refer(self, status: int, _reason: str | None = None) -> None:
        self.done.append(f"refer {status}")

    def report_refer(self, status: int, _reason: str | None = None) -> None:
        self.done.append(f"report {status}")

    def answer(self, answer: str) -> None:
        self.done.append("answer")
        self.answers.append(answer)

    def refuse(self, status: int, _reason: str | None = None) -> None:
        self.done.append(f"refuse {status}")
        self.end("local", status)

    def hang_up(self, _reason: str | None = None, *, cause: int | None = None) -> None:
        self.done.append("hang up" if cause is None else f"hang up {cause}")
        self.end("local")

    def end(self, by: str = "remote", status: int | None = None) -> None:
        if not self.over:
            self.over = True
            self.on_event(LegEnded(cast("Any", by), status))

    def pick_up(self, answer: str | None = None) -> None:
        self.on_event(LegAnswered(sdp() if answer is None else answer))


class StandInGateway:
    """Phones that ring until the test says what they do."""

    def __init__(self) -> None:
        self.phones: list[StandInLeg] = []
        self.waiting: list[Leg] = []

    def set_up(self, leg: Leg) -> None:
        self.waiting.append(leg)

    def invite(
        self,
        _binding: Binding,
        *,
        sdp: str,
        on_event: Callable[[LegEvent], None],
        hops: int = 70,
        display: str | None = None,
        **_rest: object,
    ) -> Leg:
        leg = StandInLeg(offer=sdp, on_event=on_event, hops=hops, display=display)
        self.phones.append(leg)
        return cast("Leg", leg)

    def dial(
        self,
        number: str,
        *,
        sdp: str,
        on_event: Callable[[LegEvent], None],
        caller: str | None,
        trunks: Sequence[str] = (),
        headers: Mapping[str, str] = MappingProxyType({}),
        hops: int = 0,
        elsewhere: Callable[[str], bool] = lambda _number: False,
    ) -> Leg:
        del trunks
        if number == "000":
            raise NoTrunk("no trunk leads out")
        leg = StandInLeg(
            called=number,
            offer=sdp,
            on_event=on_event,
            caller=caller,
            headers=headers,
            hops=hops,
            elsewhere=elsewhere,
        )
        self.phones.append(leg)
        return cast("Leg", leg)


class StandInMedia:
    """A media process's books; any command can be refused, or held up until it is let go.

    Attributes:
        refuses: command → error code.
        silent: commands that it carries out too late for anybody to hear of it.
        gates: command → an event to wait for before it is obeyed.
    """

    def __init__(self) -> None:
        self.sessions: dict[str, dict[str, Any]] = {}
        self.recordings: dict[str, Path] = {}
        self.paused: set[str] = set()
        self.was_paused: set[str] = set()
        self.right: dict[str, tuple[str, ...]] = {}
        self.playing: dict[str, tuple[str, str]] = {}
        self.bridges: set[tuple[str, str]] = set()
        self.matrices: dict[str, dict[str, set[str]]] = {}
        self.forks: dict[str, object] = {}
        self.pressed: list[tuple[str, str]] = []
        self.watched: dict[str, tuple[float | None, bool]] = {}
        self.said: list[list[str]] = []
        self.refuses: dict[str, str] = {}
        self.silent: set[str] = set()
        self.gates: dict[str, asyncio.Event] = {}
        self.asked: list[str] = []
        self.away = False
        self._ports = itertools.count(20000, 2)

    async def _ask(self, command: str, *sessions: str) -> None:
        self.asked.append(command)
        if gate := self.gates.get(command):
            await gate.wait()
        if self.away:
            raise MediaUnavailable("away")
        if command in self.refuses:
            raise MediaRefused(self.refuses[command], command)
        for session in sessions:
            if session not in self.sessions:
                raise MediaRefused("unknown_session", session)

    async def open(self, session: str) -> tuple[str, int]:
        await self._ask("open")
        assert session not in self.sessions
        self.sessions[session] = {}
        return "127.0.0.1", next(self._ports)

    async def set_remote(self, session: str, **remote: object) -> None:
        await self._ask("set_remote", session)
        if not str(remote["host"])[0].isdigit():
            raise MediaRefused("bad_command", f"{remote['host']} is no address")
        self.sessions[session] = remote
        if isinstance(watched := remote["watched"], Watched):
            self.watched[session] = (watched.rtp_timeout, watched.inband_keys)

    async def bridge(self, first: str, second: str) -> None:
        await self._ask("bridge", first, second)
        both = {first, second}
        self.bridges = {pair for pair in self.bridges if both.isdisjoint(pair)}
        self.bridges.add((first, second))

    async def matrix(self, bridge: str, hears: Mapping[str, Mapping[str, float]]) -> None:
        await self._ask("matrix", *hears)
        self.bridges = {pair for pair in self.bridges if set(hears).isdisjoint(pair)}
        self.matrices[bridge] = {name: set(row) for name, row in hears.items()}

    async def unbridge(self, session: str) -> None:
        await self._ask("unbridge", session)
        self.bridges = {pair for pair in self.bridges if session not in pair}

    async def fork(self, session: str, target: object) -> None:
        await self._ask("fork", session)
        self.forks[session] = target

    async def record(
        self, recording: str, path: Path, *, left: str, right: str, seal: object = None
    ) -> None:
        assert seal is None
        await self._ask("record", left, right)
        if recording in self.recordings:
            raise MediaRefused("exists", recording)
        if "record" in self.silent:  # and it is told to stop by the client
            raise MediaUnavailable("no answer")
        self.recordings[recording] = path

    async def stop_record(self, recording: str) -> RecordingInfo:
        await self._ask("stop_record")
        if recording not in self.recordings:
            raise MediaRefused("unknown_recording", recording)
        pauses = ((0.25, 0.5),) if recording in self.was_paused else ()
        path = self.recordings.pop(recording)
        return RecordingInfo(path, 1.0, 44, sha256="ab" * 32, pauses=pauses)

    async def press(self, session: str, keys: str) -> None:
        await self._ask("press", session)
        self.pressed.append((session, keys))

    async def change_record(
        self, recording: str, *, left: str | Sequence[str], right: str | Sequence[str]
    ) -> None:
        await self._ask("change_record", str(left), *right)
        self.right[recording] = tuple(right)

    async def play(
        self, player: str, session: str, items: Sequence[Item], *, loop: bool = False
    ) -> None:
        await self._ask("play", session)
        assert player not in self.playing
        self.playing[player] = (session, items[0].tone or str(items[0].file))
        self.said.append([*names_of(items), *(["…"] if loop else [])])

    async def stop_play(self, player: str) -> None:
        await self._ask("stop_play")
        self.playing.pop(player, None)

    async def pause_record(self, recording: str) -> None:
        await self._ask("pause_record")
        self.paused.add(recording)
        self.was_paused.add(recording)

    async def resume_record(self, recording: str) -> None:
        await self._ask("resume_record")
        self.paused.discard(recording)

    async def close_session(self, session: str) -> SessionStats:
        await self._ask("close", session)
        del self.sessions[session]
        self.playing = {name: play for name, play in self.playing.items() if play[0] != session}
        self.bridges = {pair for pair in self.bridges if session not in pair}
        return SessionStats(
            packets_in=98,
            packets_out=100,
            lost=2,
            duplicates=0,
            discarded=0,
            strangers=0,
            malformed=0,
            unexpected=0,
            last_packet=1.0,
            jitter=0.001,
            loss=0.02,
            r=85.5,
            mos=4.2,
        )


class StandInRecognizer:
    """Streams in a set."""

    def __init__(self) -> None:
        self.streams: set[str] = set()
        self.slow: set[str] = set()
        self.status = "ok"
        self.off = False

    def client(self, _name: str) -> "StandInRecognizer":
        return self

    async def open_stream(
        self, stream: str, *, t0: float, **_rest: object
    ) -> tuple[str, int] | None:
        assert t0 >= 0
        if stream in self.streams:
            return None
        self.streams.add(stream)
        return "127.0.0.1", 9000

    async def close_stream(self, stream: str) -> bool:
        self.streams.discard(stream)
        await asyncio.sleep(0)
        return stream not in self.slow


@dataclass
class House:
    """The service and what stands around it."""

    service: CallService
    floor: NodeFloor
    gateway: StandInGateway
    media: StandInMedia
    recognizer: StandInRecognizer
    tickets: TicketStore
    records: CallRecords
    bindings: MemoryBindings
    events: list[Event]
    engine: AsyncEngine
    bus: EventBus

    async def ready_agent(self, agent_id: str) -> None:
        binding = Binding(
            agent_id, f"sip:{agent_id}@127.0.0.1", ("127.0.0.1", 5062), "phone", 1, 2e10
        )
        self.bindings.replace(agent_id, [binding])
        await self.floor.sign_in(agent_id)
        await self.floor.set_phones(agent_id, 1)
        await self.floor.set_ready(agent_id)

    def arrives(self, **leg: Any) -> StandInLeg:
        """A citizen calls."""
        citizen = StandInLeg(**{"remote_sdp": sdp(), **leg})
        self.service.on_call(cast("Leg", citizen))
        return citizen

    async def phone(self, number: int = 0) -> StandInLeg:
        """Return the n-th phone that was called, once it rings."""
        await until(self._rang(number), seconds=30, every=0.001)
        return self.gateway.phones[number]

    def _rang(self, number: int) -> Callable[[], Any]:
        async def rang() -> bool:
            return len(self.gateway.phones) > number

        return rang

    async def until_asked(self, command: str) -> None:
        """Wait until the media process was given a command."""

        async def asked() -> bool:
            return command in self.media.asked

        await until(asked, seconds=30, every=0.001)

    async def until_forked(self, times: int) -> None:
        """Wait until the media process was told so many times where to fork."""

        async def told() -> bool:
            return self.media.asked.count("fork") >= times

        await until(told, seconds=30, every=0.001)

    async def until_state(self, agent_id: str, state: str) -> None:
        async def reached() -> bool:
            presence = await self.floor.presence(agent_id)
            return presence is not None and presence.state.value == state

        await until(reached, seconds=30, every=0.001)

    async def until_waiting(self) -> CallView:
        """Wait until the one call waits for an agent; return it as it is shown."""

        async def waits() -> bool:
            return (await self.floor.counts())["waiting"] == 1

        await until(waits, seconds=30, every=0.001)
        (view,) = self.service.live()
        return view

    async def until_talking(self) -> str:
        """Wait until the one call talks and its ticket is open; return the ticket's number."""

        async def talks() -> str | None:
            views = self.service.live()
            talking = bool(views) and views[0].state == "talking"
            return views[0].ticket_id if talking and len(self.media.forks) == 2 else None

        return str(await until(talks, seconds=30, every=0.001))

    async def record(self) -> Mapping[str, Any]:
        """Wait until no call is left; return the newest record."""

        async def none_left() -> bool:
            return self.service.counts()["calls"] == 0

        await until(none_left, seconds=30, every=0.001)
        found = await self.service.calls(limit=1)
        record = await self.service.call(found[0]["call_id"])
        assert record is not None
        return record

    async def nothing_is_left(self) -> None:
        """Assert that no call, session, recording, stream, lease or phone leg is left."""
        assert self.service.counts()["calls"] == 0
        assert not self.media.sessions
        assert not self.media.recordings
        assert not self.recognizer.streams
        assert all(phone.over for phone in self.gateway.phones)
        counts = await self.floor.counts()
        assert (counts["waiting"], counts["offers"], counts["conversations"]) == (0, 0, 0)


async def role_of(agent_id: str) -> str | None:
    """Agents are 1001 to 1009."""
    return "agent" if len(agent_id) == 4 and agent_id.startswith("100") else None


@asynccontextmanager
async def open_house(
    folder: Path,
    *,
    audio: AudioPolicy = G711_ONLY,
    attending: Callable[[EventBus], Attending] | None = None,
    route: Route = anybody,
    media: StandInMedia | None = None,
    music: Path | None = None,
    floor_engine: Engine | None = None,
    partner_seconds: float = 5.0,
) -> AsyncIterator[House]:
    """Build it; end every call at the end.

    Without ``attending`` the system says nothing to callers; without ``route`` everybody waits for
    anybody; without ``music`` who is on hold hears the ringing tone.
    """
    engine = create_async_engine(f"sqlite+aiosqlite:///{folder / 'hotline.db'}", pool_size=1)
    async with engine.begin() as connection:
        await connection.run_sync(calls_metadata.create_all)
        await connection.run_sync(tickets_metadata.create_all)
    writer = RecordWriter(engine, on_status=lambda _status, _detail: None)
    writer.start()
    floor_engine = floor_engine or ModelEngine(FloorModel(TIMES), Clock(), "n1", [])
    floor = NodeFloor(floor_engine, node="n1", times=TIMES)
    bus, events = EventBus(), list[Event]()
    bus.subscribe(events.append)
    gateway, media, recognizer = StandInGateway(), media or StandInMedia(), StandInRecognizer()
    records, tickets = CallRecords(engine, writer, node="n1"), TicketStore(engine)
    bindings = MemoryBindings()
    service = CallService(
        gateway=cast("SipGateway", gateway),
        bindings=bindings,
        media=cast("MediaClient", media),
        recognizer=cast("RecognizerGroup", recognizer),
        floor=floor,
        records=records,
        gaps=GapStore(engine, writer, node="n1"),
        tickets=tickets,
        desk=TicketDesk(engine, calendar=Calendar(), deadlines=Deadlines()),
        bus=bus,
        lines={"12345": "便民服务热线", "12315": "消费者投诉举报"},
        directory=Directory(
            partners=[
                Partner("110", "公安报警", ("110", "1101"), asserts=True, calls_from=("police",)),
                Partner("nobody", "无中继", ("000",)),
                Partner("closed", "下班", ("999",), opens=dt.time(), closes=dt.time()),
            ],
            lines=["12345"],
            allowed={"agent": [r"1[3-9]\d{9}"]},
        ),
        place_call=gateway.dial,
        role_of=role_of,
        partner_seconds=partner_seconds,
        music=music,
        no_answer_seconds=5.0,
        max_calls=10,
        secure_phones=False,
        media_host="127.0.0.1",
        recordings=folder / "recordings",
        audio=audio,
        wall_clock=time.time,
        attending=attending(bus) if attending is not None else None,
        route=route,
        echo="*43",
    )
    floor.on_offer = service.on_offer
    await floor.start()
    try:
        yield House(
            service,
            floor,
            gateway,
            media,
            recognizer,
            tickets,
            records,
            bindings,
            events,
            engine,
            bus,
        )
    finally:
        await service.drain(2.0)
        await floor.close()
        await writer.close()
        await engine.dispose()
