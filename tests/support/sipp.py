"""SIPp: many calls at once, exact SIP scenarios, lost packets.

    async with SippRun("citizen", directory=tmp_path, remote=node, service="12345",
                       rows=[("13862311001", 2000)], calls=1) as citizen:
        statistics = await citizen.wait(30)
    assert statistics.failed == 0, citizen.errors()

The scenarios are in ``tests/support/sipp``; each says what its injected fields are.
"""

import csv
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from signal import Signals
from socket import SOCK_DGRAM, SOCK_STREAM
from typing import Literal, Self

from tests.support.ports import free_rtp_port, free_sip_port, free_udp_port, is_taken
from tests.support.programs import Program
from tests.support.waiting import until
from tests.support.waveforms import read_mono

Address = tuple[str, int]
HOST = "127.0.0.1"
SCENARIOS = Path(__file__).with_name("sipp")
_CONTACT = re.compile(r"(Contact: <sip:[^@]*@)\[local_ip\]:\[local_port\]>")


@dataclass(frozen=True, slots=True)
class SippStatistics:
    """What a run has done so far."""

    created: int
    successful: int
    failed: int
    current: int
    retransmissions: int

    @classmethod
    def read(cls, path: Path) -> "SippStatistics":
        """Read the last complete line of SIPp's statistics file; zeros while there is none."""
        rows: list[dict[str, str]] = []
        with suppress(FileNotFoundError), path.open(newline="") as file:
            rows = [row for row in csv.DictReader(file, delimiter=";") if row["Retransmissions(C)"]]
        last = rows[-1] if rows else {}
        return cls(
            created=int(last.get("TotalCallCreated", 0)),
            successful=int(last.get("SuccessfulCall(C)", 0)),
            failed=int(last.get("FailedCall(C)", 0)),
            current=int(last.get("CurrentCall", 0)),
            retransmissions=int(last.get("Retransmissions(C)", 0)),
        )


class SippRun:
    """One run of SIPp on 127.0.0.1.

    Args:
        scenario: the name of a scenario in ``tests/support/sipp``.
        directory: where its files go; one for each run.
        remote: whom it calls; None: it waits for calls.
        calls: ends by itself after so many; None: goes on until stopped.
        rate: calls a second.
        limit: at most so many calls at once; None: as SIPp sees fit.
        rows: injected fields, one row a call, in order and again from the beginning.
        keys: what stands for [key] in the scenario.
        service: user part of the called address; as a phone: its own.
        lost: percentage of its packets, sent and received, that it loses on purpose.
        speech: a WAV file (8 kHz, 16 bit, mono) that is played once the call stands; A-law.
        echo: what it hears it sends back, whatever the codec.
        local_port: where it is reached; None: any.
        transport: UDP or TCP, on one socket.
        contact: what stands in its Contact after the ``@``; None: its own address.
    """

    def __init__(
        self,
        scenario: str,
        *,
        directory: Path,
        remote: Address | None = None,
        calls: int | None = None,
        rate: float = 1.0,
        limit: int | None = None,
        rows: Sequence[Sequence[object]] = (),
        keys: Mapping[str, str] | None = None,
        service: str = "service",
        lost: float = 0.0,
        speech: Path | None = None,
        echo: bool = False,
        local_port: int | None = None,
        transport: Literal["UDP", "TCP"] = "UDP",
        contact: str | None = None,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        # How long a call stays to absorb what is sent again: RFC 3261's 64 × T1 would be 32 s.
        keys = {"linger": "4000" if lost else "200", **(keys or {})}
        if echo:
            keys["rtpstream_audio_port"] = "[media_port]"
        self._contact = contact
        self.address: Address = (HOST, local_port or free_sip_port())
        self._kind = SOCK_DGRAM if transport == "UDP" else SOCK_STREAM
        self._directory = directory
        self._statistics = directory / "statistics.csv"
        options = {
            "-sf": self._scenario(scenario, speech, keys),
            "-t": "u1" if transport == "UDP" else "t1",
            "-i": HOST,
            "-p": self.address[1],
            "-mi": HOST,
            "-mp": free_rtp_port(2),  # speech and pictures
            "-ci": HOST,
            "-cp": free_udp_port(),
            "-s": service,
            "-lost": lost,
            "-stf": self._statistics,
            "-fd": 1,
            "-error_file": directory / "errors.log",
            "-message_file": directory / "messages.log",
        }
        if calls is not None:
            options["-m"] = calls
        if limit is not None:
            options["-l"] = limit
        if rows:
            options["-inf"] = self._injection(rows)
        if remote is not None:
            options |= {"-r": max(1, round(rate * 10)), "-rp": 10_000}
        flags = ["-bind_local", "-nostdin", "-trace_stat", "-trace_err", "-trace_msg"]
        if echo:
            flags.append("-rtp_echo")
        argv = ["sipp", *([f"{remote[0]}:{remote[1]}"] if remote else []), *flags]
        for option, value in options.items():
            argv += [option, str(value)]
        self._program = Program("sipp", argv, directory=directory)

    async def __aenter__(self) -> Self:
        """Start it; it listens when this returns."""
        await self._program.start()
        try:
            await until(lambda: is_taken(self.address[1], self._kind) or not self._program.running)
            assert self._program.running, self._program.said()[-2000:]
        except BaseException:
            await self._program.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Kill it if it still runs."""
        await self._program.stop(polite=Signals.SIGKILL)

    @property
    def statistics(self) -> SippStatistics:
        """The statistics so far; a second old at most."""
        return SippStatistics.read(self._statistics)

    async def wait(self, seconds: float) -> SippStatistics:
        """Return the final statistics once all calls are done.

        Raises:
            TimeoutError: they are not in time.
            AssertionError: SIPp itself failed; the message has its words.
        """
        status = await self._program.wait(seconds)
        # 0: every call as in the scenario; 1: some failed, the statistics say how many.
        assert status in {0, 1}, f"sipp ended with {status}:\n{self._program.said()[-3000:]}"
        return self.statistics

    async def finish(self, seconds: float = 10.0) -> SippStatistics:
        """Let no new calls begin, wait for the running ones, and return the final statistics."""
        self._program.signal(Signals.SIGUSR1)
        with suppress(TimeoutError):
            await self._program.wait(seconds)
        await self._program.stop(polite=Signals.SIGKILL)
        return self.statistics

    def errors(self) -> str:
        """Return what went otherwise than in the scenario."""
        return self._read("errors.log")

    def messages(self) -> str:
        """Return every message sent and received."""
        return self._read("messages.log")

    def _read(self, name: str) -> str:
        path = self._directory / name
        return path.read_text(errors="replace") if path.exists() else ""

    def _scenario(self, name: str, speech: Path | None, keys: Mapping[str, str]) -> Path:
        text = (SCENARIOS / f"{name}.xml").read_text(encoding="utf-8")
        for key, value in keys.items():  # SIPp's own -key works in messages only
            text = text.replace(f"[{key}]", value)
        if self._contact is not None:
            text = _CONTACT.sub(rf"\g<1>{self._contact}>", text)
        if speech is not None:
            raw = self._directory / "speech.alaw"
            raw.write_bytes(_a_law(speech))
            action = f'<exec rtp_stream="{raw},1,8,PCMA/8000"/>'
            text = text.replace("<!--SPEECH-->", f"<nop><action>{action}</action></nop>")
        path = self._directory / f"{name}.xml"
        path.write_text(text, encoding="utf-8")
        return path

    def _injection(self, rows: Sequence[Sequence[object]]) -> Path:
        path = self._directory / "injection.csv"
        lines = ["SEQUENTIAL", *(";".join(map(str, row)) + ";" for row in rows)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path


async def register(
    directory: Path,
    *,
    registrar: Address,
    phones: Mapping[str, tuple[str, Address]],
    expires: int = 600,
    seconds: float = 15.0,
) -> None:
    """Register phones (user → password, address) through SIPp, from each phone's own port.

    Raises:
        AssertionError: a registration was not accepted; the message says what came instead.
    """
    for user, (password, address) in phones.items():
        credentials = f"[authentication username={user} password={password}]"
        async with SippRun(
            "register",
            directory=directory / f"register-{user}",
            remote=registrar,
            calls=1,
            rows=[(user, credentials, expires, address[1])],
            local_port=address[1],
        ) as run:
            statistics = await run.wait(seconds)
            assert statistics.successful == 1, f"{user}:\n{run.errors()}\n{run.messages()}"


def _a_law(path: Path) -> bytes:
    """Return a WAV file's samples in G.711 A-law, by G.711's formula, not our own table."""
    return bytes(_a_law_of(int(sample)) for sample in read_mono(path))


def _a_law_of(sample: int) -> int:
    sign, magnitude = (0xD5, sample >> 4) if sample >= 0 else (0x55, ~sample >> 4)
    segment = max(0, magnitude.bit_length() - 4)
    step = magnitude >> max(0, segment - 1)
    return sign ^ (segment << 4 | step & 0x0F)
