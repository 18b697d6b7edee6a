"""baresip as a phone: a real SIP softphone, driven over its control port (module ctrl_tcp).

    async with Baresip(tmp_path / "agent", user="1001", password="…", registrar=node) as phone:
        await phone.register()
        await phone.wait_event("CALL_INCOMING")
        await phone.answer()
        …
        tone_level(phone.heard(), 440)

It plays a tone or a WAV file as its microphone, and writes what it hears to a WAV file.
"""

import asyncio
import itertools
import json
from collections import Counter
from pathlib import Path
from typing import Any, Final, Literal, Self

from tests.support.ports import free_rtp_port, free_sip_port, free_tcp_port
from tests.support.programs import Program
from tests.support.tones import RATE
from tests.support.waiting import PATIENCE, until
from tests.support.waveforms import write_tone

Address = tuple[str, int]
HOST = "127.0.0.1"
RTP_PAIRS = 8

Codec = Literal["PCMA", "PCMU", "G722", "opus"]
NAMES: Final[dict[Codec, str]] = {
    "PCMA": "pcma",
    "PCMU": "pcmu",
    "G722": "g722/16000/1",
    "opus": "opus/48000/2",
}
"""What an account calls them; one it does not know stands for all of them."""
WIDTHS: Final[dict[Codec, int]] = {"PCMA": 1, "PCMU": 1, "G722": 2, "opus": 12}
"""How many samples it writes for each at 8 kHz: of Opus, stereo at 48 kHz."""

CONFIG = """\
poll_method epoll
sip_listen {host}:{sip_port}
net_interface {host}
call_local_timeout 120
call_max_calls 4
audio_player aubridge,nobody
audio_source aufile,{source}
audio_alert aubridge,nobody
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
audio_buffer 20-160
rtp_ports {rtp_port}-{rtp_last}
rtp_stats yes
jitter_buffer_delay 2-10
ringback_disabled yes
statmode_default off
menu_bell no
snd_path {directory}
ctrl_tcp_listen {host}:{control_port}
module_path {modules}
module g711.so
module g722.so
module opus.so
module sndfile.so
module srtp.so
module aubridge.so
module aufile.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
"""
DTLS = """\
module dtls_srtp.so
rtcp_mux yes
"""

# Debian 12 has them in the first place, later ones in a folder named after the architecture.
MODULES = next(
    (folder for folder in sorted(Path("/usr/lib").glob("**/baresip/modules"))),
    Path("/usr/lib/baresip/modules"),
)


class BaresipError(Exception):
    """baresip refused a command, or ended."""


class Baresip:
    """One phone with one account.

    Args:
        directory: for its configuration and recordings; one for each phone.
        user: user part of its address, and its name for digest authentication.
        password: for digest authentication.
        registrar: where it registers (and through which it calls); None: it does not.
        source: what it says: a tone's frequency in Hz, or a WAV file (8 kHz, 16 bit, mono); when
            that has ended it hangs up, and a tone ends after a minute.
        codec: the codec it offers and accepts.
        auto_answer: answers by itself.
        expires: life of its registration, seconds.
        local_port: where it is reached; None: any.
        transport: by which it registers.
        secured: offers and accepts SRTP alone, with keys in the session description (RFC 4568).
        dtls: offers and accepts SRTP alone, with keys by DTLS (RFC 5763), without ICE.
    """

    def __init__(
        self,
        directory: Path,
        *,
        user: str,
        password: str = "",
        registrar: Address | None = None,
        source: int | Path = 440,
        codec: Codec = "PCMA",
        auto_answer: bool = False,
        expires: int = 300,
        local_port: int | None = None,
        transport: Literal["udp", "tcp", "tls"] = "udp",
        secured: bool = False,
        dtls: bool = False,
    ) -> None:
        self.user = user
        self.address: Address = (HOST, local_port or free_sip_port())
        self.events: list[dict[str, Any]] = []
        self._directory = directory
        self._width = WIDTHS[codec]
        self._control_port = free_tcp_port()
        self._changed = asyncio.Condition()
        self._taken: Counter[str] = Counter()
        self._tokens = map(str, itertools.count(1))
        self._answers: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._reading: asyncio.Task[None] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._program = Program(
            "baresip", ["baresip", "-4", "-s", "-f", directory], directory=directory
        )
        directory.mkdir(parents=True, exist_ok=True)
        if isinstance(source, int):  # baresip's own generator (ausine) works at 48 kHz only
            source = write_tone(directory / f"tone-{source}.wav", source, seconds=60)
        self._write_config(source, DTLS if dtls else "")
        at = registrar or (HOST, self.address[1])
        where = f"{at[0]}:{at[1]}" + ("" if transport == "udp" else f";transport={transport}")
        self._write_account(
            where,
            password,
            codec,
            expires if registrar else 0,
            auto_answer=auto_answer,
            encryption="dtls_srtp" if dtls else "srtp-mand" if secured else None,
        )

    @property
    def uri(self) -> str:
        """Where it is called directly."""
        return f"sip:{self.user}@{HOST}:{self.address[1]}"

    async def __aenter__(self) -> Self:
        """Start it and connect to its control port."""
        await self._program.start()
        try:
            reader, self._writer = await self._connect()
        except BaseException:
            await self._program.stop()
            raise
        self._reading = asyncio.create_task(self._read(reader), name=f"baresip {self.user}")
        return self

    async def __aexit__(self, *_: object) -> None:
        """End it. It takes its registration back first, if the registrar answers at once."""
        await self._program.stop(seconds=1.0)
        if self._writer is not None:
            self._writer.close()
        if self._reading is not None:
            await self._reading

    async def register(self, seconds: float = PATIENCE) -> None:
        """Return when the registrar has accepted it; it registers by itself when started.

        Raises:
            BaresipError: the registrar refused.
        """
        # It registers when started, perhaps before anybody listens to its events: so it is asked.
        async with asyncio.timeout(seconds):
            while "OK" not in (answer := await self.command("reginfo")):
                if "ERR" in answer:
                    raise BaresipError(f"{self.user} could not register:\n{self.said()[-1500:]}")
                await asyncio.sleep(0.02)

    async def dial(self, uri: str) -> None:
        """Place a call; CALL_ESTABLISHED or CALL_CLOSED tells how it went."""
        await self.command("dial", uri)

    async def answer(self) -> None:
        """Take the call that rings."""
        await self.command("accept")

    async def hang_up(self) -> None:
        """End the call, or refuse the one that rings."""
        await self.command("hangup")

    async def command(self, command: str, params: str = "") -> str:
        """Run a command of baresip's menu; return what it printed.

        Raises:
            BaresipError: it is not a command, or it failed.
        """
        assert self._writer is not None, "not started"
        token = next(self._tokens)
        answer = self._answers[token] = asyncio.get_running_loop().create_future()
        message = json.dumps({"command": command, "params": params, "token": token}).encode()
        self._writer.write(b"%d:%s," % (len(message), message))
        async with asyncio.timeout(PATIENCE):
            response = await answer
        if not response["ok"]:
            raise BaresipError(f"{command} {params}: {response.get('data')}")
        return str(response.get("data", ""))

    async def wait_event(self, *types: str, seconds: float = PATIENCE) -> dict[str, Any]:
        """Return the first event of these types that no earlier wait has returned.

        Types: CALL_INCOMING (not with ``auto_answer``), CALL_RINGING, CALL_PROGRESS,
        CALL_ESTABLISHED, CALL_CLOSED, …; keys: type, param, direction, peeruri, id.

        Raises:
            TimeoutError: none came in time; its message has what came instead.
        """
        key = " ".join(types)
        try:
            async with asyncio.timeout(seconds), self._changed:
                while True:
                    found = [event for event in self.events if event["type"] in types]
                    if len(found) > self._taken[key]:
                        self._taken[key] += 1
                        return found[self._taken[key] - 1]
                    await self._changed.wait()
        except TimeoutError:
            seen = [event["type"] for event in self.events]
            raise TimeoutError(f"{self.user}: no {key}, only {seen}\n{self.said()}") from None

    def recordings(self) -> int:
        """Return of how many calls it has heard anything."""
        return len(self._recordings("dec"))

    async def wait_heard(self, seconds: float, *, after: int = 0) -> None:
        """Return once it has heard so many seconds in its latest call.

        ``after``: not in one of so many that it had before.
        """
        # The file is written in blocks, as it comes: what is on disk is what has been heard.
        bytes_wanted = 44 + seconds * RATE * 2 * self._width
        await until(
            lambda: self.recordings() > after and self._size("dec") >= bytes_wanted,
            seconds + PATIENCE,
        )

    def heard(self) -> Path:
        """Return the WAV file of what it heard in its latest call, at its codec's rate.

        It is complete once that has ended.
        """
        return self._recording("dec")

    def spoke(self) -> Path:
        """Return the WAV file of what it said in its latest call."""
        return self._recording("enc")

    def said(self) -> str:
        """Return its log."""
        return self._program.said()

    def _size(self, direction: str) -> int:
        sizes = [path.stat().st_size for path in self._recordings(direction)]
        return sizes[-1] if sizes else 0

    def _recordings(self, direction: str) -> list[Path]:
        return sorted(self._directory.glob(f"dump-*-{direction}.wav"))

    def _recording(self, direction: str) -> Path:
        return self._recordings(direction)[-1]

    def _write_config(self, source: Path, further: str) -> None:
        rtp_port = free_rtp_port(RTP_PAIRS)
        config = CONFIG.format(
            host=HOST,
            sip_port=self.address[1],
            control_port=self._control_port,
            rtp_port=rtp_port,
            rtp_last=rtp_port + 2 * RTP_PAIRS - 1,
            directory=self._directory,
            modules=MODULES,
            source=source,
        )
        (self._directory / "config").write_text(config + further)

    def _write_account(
        self,
        where: str,
        password: str,
        codec: Codec,
        expires: int,
        *,
        auto_answer: bool,
        encryption: str | None,
    ) -> None:
        parameters = [
            f"<sip:{self.user}@{where}>",
            f"auth_user={self.user}",
            f"auth_pass={password or '-'}",  # an empty one makes it ask the terminal
            f"regint={expires}",
            f"answermode={'auto' if auto_answer else 'manual'}",
            f"audio_codecs={NAMES[codec]}",
            "ptime=20",
        ]
        if encryption is not None:
            parameters.append(f"mediaenc={encryption}")
        if expires:
            parameters.append(f'outbound="sip:{where}"')
        (self._directory / "accounts").write_text(";".join(parameters) + "\n")

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with asyncio.timeout(PATIENCE):
            while self._program.running:
                try:
                    return await asyncio.open_connection(HOST, self._control_port)
                except OSError:
                    await asyncio.sleep(0.02)
        raise BaresipError(f"baresip ended at once:\n{self.said()}")

    async def _read(self, reader: asyncio.StreamReader) -> None:
        """Take in netstrings (``12:{"ok": true},``): answers to commands, and events."""
        while True:
            try:
                length = await reader.readuntil(b":")
                message = json.loads(await reader.readexactly(int(length[:-1])))
                await reader.readexactly(1)
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            if message.get("event"):
                async with self._changed:
                    self.events.append(message)
                    self._changed.notify_all()
            elif (answer := self._answers.pop(message.get("token", ""), None)) is not None:
                answer.set_result(message)
