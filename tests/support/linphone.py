"""linphone as a phone: its console program, driven by the commands that it reads.

    async with Linphone(tmp_path / "agent", user="1001", password="…", registrar=node) as phone:
        await phone.register()
        await phone.rings()
        await phone.answer()
        …

It has no sound card: a tone in a WAV file is its microphone, and what it hears goes nowhere.
"""

import asyncio
import re
from pathlib import Path
from signal import Signals
from typing import Literal, Self

from tests.support.ports import free_rtp_port, free_sip_port, free_tcp_port
from tests.support.programs import Program
from tests.support.waiting import PATIENCE
from tests.support.waveforms import write_tone

Address = tuple[str, int]
Transport = Literal["udp", "tcp", "tls"]
HOST = "127.0.0.1"

CONFIG = """\
[sip]
sip_port={sip_port}
sip_tcp_port={tcp_port}
sip_tls_port={tls_port}
bind_address={host}
use_ipv6=0
guess_hostname=0
default_proxy={proxy}
verify_server_certs=0
verify_server_cn=0
register_only_when_network_is_up=0
auto_net_state_mon=0
media_encryption=none

[rtp]
audio_rtp_port={rtp_port}

[net]
stun_server=
firewall_policy=0

[misc]
log_collection=0
"""
ACCOUNT = """
[proxy_0]
reg_proxy=<sip:{where}>
reg_identity=sip:{user}@{where}
reg_expires={expires}
reg_sendregister=1
publish=0

[auth_info_0]
username={user}
passwd={password}
"""


class LinphoneError(Exception):
    """linphone could not do what it was asked for, or ended."""


class Linphone:
    """One phone with one account.

    Args:
        directory: its home; one for each phone.
        user: user part of its address, and its name for digest authentication.
        password: for digest authentication.
        registrar: where it registers (and through which it calls); None: it does not.
        tone: what it says, in Hz.
        auto_answer: answers by itself.
        expires: life of its registration, seconds.
        transport: by which it registers.
    """

    def __init__(
        self,
        directory: Path,
        *,
        user: str,
        password: str = "",
        registrar: Address | None = None,
        tone: int = 440,
        auto_answer: bool = False,
        expires: int = 300,
        transport: Transport = "udp",
    ) -> None:
        self.user = user
        self.lines: list[str] = []
        self._directory = directory
        self._changed = asyncio.Condition()
        self._read_until = 0  # lines that a wait has returned or passed over
        self._reading: asyncio.Task[None] | None = None
        # It makes no folder for its database, and without that it opens no port.
        (directory / ".local/share/linphone").mkdir(parents=True, exist_ok=True)
        self._tone = write_tone(directory / f"tone-{tone}.wav", tone, seconds=60)
        config = CONFIG.format(
            host=HOST,
            sip_port=free_sip_port(),
            tcp_port=free_tcp_port(),
            tls_port=free_tcp_port(),
            rtp_port=free_rtp_port(),
            proxy=-1 if registrar is None else 0,
        )
        if registrar is not None:
            where = f"{registrar[0]}:{registrar[1]};transport={transport}"
            config += ACCOUNT.format(user=user, password=password, where=where, expires=expires)
        (directory / "linphonerc").write_text(config)
        self._program = Program(
            "linphone",
            ["linphonec", "-c", directory / "linphonerc", *(["-a"] if auto_answer else [])],
            directory=directory,
            # without a terminal and a home of anybody's
            env={"HOME": str(directory), "XDG_RUNTIME_DIR": str(directory), "TERM": "dumb"},
            piped=True,
        )

    async def __aenter__(self) -> Self:
        """Start it."""
        await self._program.start()
        self._reading = asyncio.create_task(self._read(), name=f"linphone {self.user}")
        try:
            await self.command("soundcard use files", "Using wav files")
            await self.command(f"play {self._tone}")
        except BaseException:
            await self._program.stop(polite=Signals.SIGKILL)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """End it; it takes its registration back first."""
        if self._program.running:
            await self.command("quit")
        await self._program.stop(seconds=3.0)
        if self._reading is not None:
            await self._reading

    async def register(self) -> None:
        """Return when the registrar has accepted it; it registers by itself when started.

        Raises:
            TimeoutError: it was refused, or nobody answered.
        """
        # It says so only when it is asked.
        async with asyncio.timeout(PATIENCE):
            while True:
                await self.command("status register")
                if "registered, identity" in await self.until(r"registered(,|=)"):
                    return
                await asyncio.sleep(0.05)

    async def rings(self) -> None:
        """Return when it is called."""
        await self.until(r"Receiving new incoming call")

    async def stands(self) -> None:
        """Return when its call stands."""
        await self.until(r"Media streams established")

    async def ended(self) -> None:
        """Return when its call is over."""
        await self.until(r"Call \d+ with .* (ended|error)")

    async def codecs(self, *, but: str) -> list[int]:
        """Return the numbers of all its codecs that are enabled, but one."""
        await self.command("codec list")
        await self.command("status register", r"registered(,|=)")  # what comes after the list
        enabled = [re.match(r" *(\d+): (\S+) .*enabled", line) for line in self.lines]
        return [int(found[1]) for found in enabled if found and found[2] != but]

    async def dial(self, uri: str) -> None:
        """Place a call."""
        await self.command(f"call {uri}")

    async def answer(self) -> None:
        """Take the call that rings."""
        await self.command("answer")

    async def hang_up(self) -> None:
        """End the call, or refuse the one that rings."""
        await self.command("terminate")

    async def command(self, command: str, expected: str | None = None) -> None:
        """Give a command of its console, and wait for what it prints then, if that is said.

        Raises:
            LinphoneError: it has ended.
        """
        stdin = self._program.process.stdin
        if stdin is None or not self._program.running:
            raise LinphoneError(f"linphone has ended:\n{self.said()}")
        stdin.write(f"{command}\n".encode())
        await stdin.drain()
        if expected is not None:
            await self.until(expected)

    async def until(self, pattern: str, seconds: float = PATIENCE) -> str:
        """Return the first line with a pattern after those that earlier waits have returned.

        Raises:
            TimeoutError: none came in time; its message has what came instead.
        """
        wanted = re.compile(pattern)
        try:
            async with asyncio.timeout(seconds), self._changed:
                while True:
                    for number in range(self._read_until, len(self.lines)):
                        if wanted.search(self.lines[number]):
                            self._read_until = number + 1
                            return self.lines[number]
                    await self._changed.wait()
        except TimeoutError:
            raise TimeoutError(f"{self.user}: no {pattern}\n{self.said()}") from None

    def said(self) -> str:
        """Return what it has printed."""
        return "\n".join(self.lines)

    async def _read(self) -> None:
        stdout = self._program.process.stdout
        assert stdout is not None
        async for line in stdout:
            async with self._changed:
                self.lines.append(line.decode(errors="replace").rstrip())
                self._changed.notify_all()
