"""A house that sounds: its media commands drive a real engine, and its phones say tones.

The engine is the media process's, on the packet path in Python, in the test's own process. Time is
the test's: packets go through real sockets as fast as the machine can, and what each phone heard in
the last fifth of a second is found by its frequency.
"""

import asyncio
import itertools
import socket
import wave
from collections.abc import Awaitable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from typing_extensions import override

from telephony.media import control, g711
from telephony.media.engine import Engine
from telephony.media.ports import PortPool
from telephony.media.python_path import PythonPath
from telephony.media.rtp import RtpPacket, build, parse
from telephony.media_commands import MediaCommands, SessionStats
from telephony.sip.offer_answer import parse_audio
from tests.calls.house import PCMA, StandInMedia, sdp
from tests.support.ports import free_rtp_port
from tests.support.tones import RATE, sine, tone_level

PARTIES = ("caller", "agent", "partner", "expert")
HERTZ = {"caller": 400.0, "agent": 700.0, "partner": 1100.0, "expert": 2300.0, "music": 1600.0}
"""What each says; the ringing tone is 450 Hz."""
LEVEL = 6000
PRESENT = -25.0
"""dBFS: a tone of ``LEVEL`` has -15, A-law's noise of it less than -50."""
PACKET, STEP, PAIRS = 160, 0.02, 12
SETTLING, LISTENING = 10, 10
"""Packets: until a change is through the jitter buffer, and those that are listened to."""


class InProcess(MediaCommands):
    """Commands to an engine of this process."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._ids = itertools.count()

    @override
    async def ask(self, kind: type[control.Command], **fields: object) -> dict[str, Any]:
        result = self._engine.obey(kind(id=next(self._ids), **fields))  # type: ignore[arg-type]
        return dict(await result if isinstance(result, Awaitable) else result)


class SoundingMedia(StandInMedia):
    """The stand-in's books, and a real engine that is told the same."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self._paths: list[PythonPath] = []
        first = free_rtp_port(PAIRS)
        self.engine = Engine(
            host="127.0.0.1",
            ports=PortPool(first, first + 2 * PAIRS - 1),
            emit=lambda _line: None,
            make_path=self._make_path,
        )
        self.path.advance(self.now)
        self.real = InProcess(self.engine)

    def _make_path(self, on_event: Any) -> PythonPath:
        self._paths.append(PythonPath(on_event))
        return self._paths[0]

    @property
    def path(self) -> PythonPath:
        return self._paths[0]

    @override
    async def open(self, session: str) -> tuple[str, int]:
        await super().open(session)
        return await self.real.open(session)

    @override
    async def set_remote(self, session: str, **remote: object) -> None:
        await super().set_remote(session, **remote)
        await self.real.set_remote(session, **(remote | {"watched": None}))  # type: ignore[arg-type]

    @override
    async def bridge(self, first: str, second: str) -> None:
        await super().bridge(first, second)
        await self.real.bridge(first, second)

    @override
    async def matrix(self, bridge: str, hears: Mapping[str, Mapping[str, float]]) -> None:
        await super().matrix(bridge, hears)
        await self.real.matrix(bridge, hears)

    @override
    async def unbridge(self, session: str) -> None:
        await super().unbridge(session)
        await self.real.unbridge(session)

    @override
    async def play(
        self, player: str, session: str, items: Sequence[control.Item], *, loop: bool = False
    ) -> None:
        await super().play(player, session, items, loop=loop)
        await self.real.play(player, session, items, loop=loop)

    @override
    async def stop_play(self, player: str) -> None:
        await super().stop_play(player)
        await self.real.stop_play(player)

    @override
    async def close_session(self, session: str) -> SessionStats:
        await super().close_session(session)
        return await self.real.close_session(session)


class TonePhone:
    """A party's audio: says its tone to the port it was told, and keeps what comes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)  # noqa: FBT003 -- the only way to say it
        self.socket.bind(("127.0.0.1", 0))
        self.target: tuple[str, int] | None = None
        self._heard: list[RtpPacket] = []
        self._sent = 0

    @property
    def sdp(self) -> str:
        """This phone's session description."""
        return sdp(PCMA, port=self.socket.getsockname()[1])

    def told(self, description: str) -> None:
        """Take the hotline's session description: where to send."""
        audio = parse_audio(description)
        self.target = (audio.host, audio.port)

    def speak(self) -> None:
        """Say 20 ms."""
        if self.target is None:
            return
        times = (self._sent * PACKET + np.arange(PACKET)) / RATE
        pcm = np.rint(LEVEL * np.sin(2 * np.pi * HERTZ[self.name] * times)).astype(np.int16)
        payload = g711.encode("PCMA", pcm)
        stamp = self._sent * PACKET
        packet = RtpPacket(8, self._sent == 0, self._sent & 0xFFFF, stamp, 7, payload)
        self._sent += 1
        self.socket.sendto(build(packet), self.target)

    def listen(self) -> None:
        """Take what has come."""
        while True:
            try:
                self._heard.append(parse(self.socket.recv(2048)))
            except (BlockingIOError, ConnectionRefusedError):
                return

    def forget(self) -> None:
        """Forget what was heard."""
        self._heard.clear()

    def heard(self) -> frozenset[str]:
        """Return whose tones were heard."""
        payload = b"".join(packet.payload for packet in self._heard if packet.payload_type == 8)
        pcm = g711.decode("PCMA", payload) if payload else np.zeros(0, np.int16)
        # (a few packets are no proof)
        enough = len(pcm) >= LISTENING * PACKET // 2
        return frozenset(
            name for name, hertz in HERTZ.items() if enough and tone_level(pcm, hertz) > PRESENT
        )


class Sound:
    """The phones of one call around a sounding house's engine."""

    def __init__(self, media: SoundingMedia) -> None:
        self._media = media
        self.phones = {name: TonePhone(name) for name in PARTIES}

    def close(self) -> None:
        for phone in self.phones.values():
            phone.socket.close()

    def _run(self, packets: int) -> None:
        for _ in range(packets):
            self._media.now += STEP
            for phone in self.phones.values():
                phone.speak()
            self._media.path.advance(self._media.now)
            for phone in self.phones.values():
                phone.listen()

    def heard(self) -> dict[str, frozenset[str]]:
        """Let a while pass; return whom each hears after it."""
        self._run(SETTLING)
        for phone in self.phones.values():
            phone.forget()
        self._run(LISTENING)
        return {name: phone.heard() for name, phone in self.phones.items()}

    async def hears(self, **wanted: set[str]) -> None:
        """Wait until each hears exactly whom he should; who is not named hears nobody."""
        expected = {name: frozenset(wanted.get(name, ())) for name in self.phones}
        ends = asyncio.get_running_loop().time() + 20.0
        while (found := self.heard()) != expected:
            assert asyncio.get_running_loop().time() < ends, (found, expected)
            await asyncio.sleep(0.005)


def write_music(path: Path) -> Path:
    """Write a second of the music's tone."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(sine(HERTZ["music"], 1.0, LEVEL).tobytes())
    return path
