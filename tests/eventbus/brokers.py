"""Real MQTT brokers that a test may kill, and a gate in front of them."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from signal import SIGKILL

import aiomqtt

from eventbus.mqtt import Protocol
from tests.support.ports import free_tcp_port
from tests.support.programs import Program

VERSIONS = {"5": aiomqtt.ProtocolVersion.V5, "3.1.1": aiomqtt.ProtocolVersion.V311}

_AMQTT = """
listeners:
  default: {{type: tcp, bind: "127.0.0.1:{port}"}}
plugins:
  amqtt.plugins.authentication.AnonymousAuthPlugin: {{allow_anonymous: true}}
"""


class Broker:
    """One broker process on a port of its own.

    Attributes:
        protocol: the newest version of MQTT that it speaks.
        forwards_before_it_acknowledges: killed, it has lost nothing that the publisher was told is
            safe. amqtt acknowledges first and forwards afterwards, so it may.

    Args:
        kind: ``mosquitto`` or ``amqtt``.
        folder: for its configuration and what it says.
        plugins: further lines of amqtt's configuration.
    """

    def __init__(self, kind: str, folder: Path, *, plugins: str = "") -> None:
        self.port = free_tcp_port()
        self.forwards_before_it_acknowledges = kind == "mosquitto"
        self.protocol: Protocol = "5" if kind == "mosquitto" else "3.1.1"
        config = folder / kind
        if kind == "mosquitto":
            config.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\n")
            argv = ["/usr/sbin/mosquitto", "-c", str(config)]
        else:
            config.write_text(_AMQTT.format(port=self.port) + plugins)
            argv = [sys.executable, "-W", "ignore", "-m", "amqtt.scripts.broker_script"]
            argv += ["-c", str(config)]
        self.program = Program(kind, argv, directory=folder)

    async def start(self) -> None:
        """Return when it takes connections."""
        await self.program.start()
        async with asyncio.timeout(15):
            while True:
                assert self.program.running, self.program.said()
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except ConnectionRefusedError:
                    await asyncio.sleep(0.02)
                    continue
                writer.close()
                await writer.wait_closed()
                return

    async def kill(self) -> None:
        """End it as ``kill -9`` does."""
        self.program.signal(SIGKILL)
        await self.program.wait(5)

    @contextlib.asynccontextmanager
    async def subscriber(self, *topics: str) -> AsyncIterator[list[aiomqtt.Message]]:
        """Collect what arrives on these topics for the length of the ``with``."""
        messages: list[aiomqtt.Message] = []

        async def collect(client: aiomqtt.Client) -> None:
            with contextlib.suppress(aiomqtt.MqttError):
                async for message in client.messages:
                    messages.append(message)  # noqa: PERF401 - the caller looks while it grows

        # QoS 0: what the broker has written to the socket before it died arrives nevertheless.
        async with aiomqtt.Client(
            "127.0.0.1", self.port, protocol=VERSIONS[self.protocol]
        ) as client:
            for topic in topics:
                await client.subscribe(topic)
            task = asyncio.create_task(collect(client))
            try:
                yield messages
            finally:
                # A dead broker's last words may still be on their way; behind them comes the end.
                if self.program.running:
                    task.cancel()
                await asyncio.gather(task, return_exceptions=True)


class Gate:
    """A TCP relay to a broker, shut or open: it lets a subscriber be there before the publisher."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = free_tcp_port()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", self.port)

    async def shut(self) -> None:
        """Refuse new connections and cut those there are."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._broker.port)
        except OSError:
            writer.close()
            return
        self._writers |= {writer, far_writer}
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
        self._writers -= {writer, far_writer}


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()
