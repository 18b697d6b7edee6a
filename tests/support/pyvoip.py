"""pyVoIP as an agent's phone, in a process of its own (``pyvoip_phone.py``).

async with PyVoipPhone(tmp_path / "phone", user="1003", password="…", registrar=node) as phone:
    await phone.register()
    await phone.wait_event("incoming")
    await phone.answer()
    await phone.wait_event("ended")
    tone_level(phone.heard, 440)
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any, Self

from tests.support.ports import free_rtp_port, free_udp_port
from tests.support.programs import Program
from tests.support.waiting import PATIENCE
from tests.support.waveforms import write_tone

Address = tuple[str, int]
RTP_PAIRS = 8


class PyVoipError(Exception):
    """The phone could not do what it was told, or has ended."""


class PyVoipPhone:
    """One phone. It speaks µ-law only, and answers no sooner than a second after the INVITE.

    Args:
        directory: for its files; one for each phone.
        user: user part of its address, and its name for digest authentication.
        password: for digest authentication (MD5 without qop, all it knows).
        registrar: where it registers; it sends everything there.
        source: what it says: a tone's frequency in Hz, or a WAV file (8 kHz, 16 bit, mono).
    """

    def __init__(
        self,
        directory: Path,
        *,
        user: str,
        password: str,
        registrar: Address,
        source: int | Path = 440,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.user = user
        self.address: Address = ("127.0.0.1", free_udp_port())
        self.heard = directory / "heard.wav"
        self._events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._reading: asyncio.Task[None] | None = None
        if isinstance(source, int):
            source = write_tone(directory / f"tone-{source}.wav", source, seconds=30)
        rtp_port = free_rtp_port(RTP_PAIRS)
        options = {
            "server": registrar[0],
            "port": registrar[1],
            "user": user,
            "password": password,
            "sip_port": self.address[1],
            "rtp_port": rtp_port,
            "rtp_last": rtp_port + 2 * RTP_PAIRS - 1,
            "source": str(source),
            "heard": str(self.heard),
        }
        script = Path(__file__).with_name("pyvoip_phone.py")
        argv: list[str | Path] = [sys.executable, "-P", script, json.dumps(options)]
        self._program = Program("pyvoip", argv, directory=directory, piped=True)

    async def __aenter__(self) -> Self:
        """Start it; it registers at once."""
        await self._program.start()
        self._reading = asyncio.create_task(self._read(), name=f"pyVoIP {self.user}")
        return self

    async def __aexit__(self, *_: object) -> None:
        """End it."""
        if self._program.running:
            await self._command("quit")
        await self._program.stop(seconds=1.0)
        if self._reading is not None:
            await self._reading

    async def register(self, seconds: float = PATIENCE) -> None:
        """Return when the registrar has accepted it.

        Raises:
            PyVoipError: the registrar refused.
        """
        event = await self.wait_event("registered", "not_registered", seconds=seconds)
        if event["event"] != "registered":
            raise PyVoipError(f"{self.user}: {event['reason']}")

    async def answer(self) -> None:
        """Take the call that rings."""
        await self._command("answer")

    async def refuse(self) -> None:
        """Refuse the call that rings (486)."""
        await self._command("refuse")

    async def hang_up(self) -> None:
        """End the call."""
        await self._command("hang_up")

    async def wait_event(self, *names: str, seconds: float = PATIENCE) -> dict[str, Any]:
        """Return the next event of these names; earlier ones of other names are dropped.

        Raises:
            TimeoutError: none came in time.
            PyVoipError: the program failed.
        """
        try:
            async with asyncio.timeout(seconds):
                while (event := await self._events.get())["event"] not in names:
                    if event["event"] == "failed":
                        raise PyVoipError(f"{self.user}: {event['reason']}")
        except TimeoutError:
            raise TimeoutError(f"{self.user}: no {names}\n{self._program.said()}") from None
        return event

    async def _command(self, do: str) -> None:
        stdin = self._program.process.stdin
        assert stdin is not None
        stdin.write(json.dumps({"do": do}).encode() + b"\n")
        await stdin.drain()

    async def _read(self) -> None:
        stdout = self._program.process.stdout
        assert stdout is not None
        while line := await stdout.readline():
            await self._events.put(json.loads(line))
