"""Kamailio in front of nodes, with the configuration that is in ``deploy/kamailio``.

async with Kamailio(tmp_path / "edge", nodes=[(HOST, node.sip_port)]) as edge:
    …  # phones register at edge.address, a citizen calls there
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from signal import Signals
from socket import SOCK_STREAM
from typing import Self

from tests.support.certificates import Authority
from tests.support.ports import free_sip_port, is_taken
from tests.support.programs import Program
from tests.support.waiting import PATIENCE, until

Address = tuple[str, int]
HOST = "127.0.0.5"
CONFIGURATION = Path(__file__).parents[2] / "deploy" / "kamailio" / "kamailio.cfg"

TLS = """\
[server:default]
method = TLSv1.2+
certificate = {certificate}
private_key = {key}
verify_certificate = no
require_certificate = no

[client:default]
method = TLSv1.2+
certificate = {certificate}
private_key = {key}
ca_list = {authority}
verify_certificate = yes
require_certificate = yes
"""


class Kamailio:
    """A proxy in front of nodes.

    Args:
        directory: for its configuration and log.
        nodes: where they take SIP.
        carrier: where the calls go that nodes send out through it; None: nowhere.
        host: its address, which no program else uses: nodes know it as their trunk.
        port: there, and the one above it for TLS; None: free ones.
        probe_seconds: how often a node is asked whether it is there.
        answer_ms: how long a node may be silent before the next one is tried.
        authority: who has signed the nodes' certificates, where they are reached over TLS; it signs
            ours as well, which is shown to them.

    Attributes:
        address: where it takes UDP and TCP.
        secure: where it takes TLS.
    """

    def __init__(
        self,
        directory: Path,
        *,
        nodes: Sequence[Address],
        carrier: Address | None = None,
        host: str = HOST,
        port: int | None = None,
        probe_seconds: int = 1,
        answer_ms: int = 1000,
        authority: Authority | None = None,
    ) -> None:
        port = port or free_sip_port()
        self.address: Address = (host, port)
        self.secure: Address = (host, port + 1)
        directory.mkdir(parents=True, exist_ok=True)
        shutil.copy(CONFIGURATION, directory / "kamailio.cfg")
        by_tls = ";transport=tls" if authority is not None else ""
        authority = authority or Authority(directory / "certificates")
        pair = authority.sign("edge", host)
        tls = TLS.format(
            certificate=pair.certificate, key=pair.key, authority=authority.pair.certificate
        )
        (directory / "tls.cfg").write_text(tls, encoding="utf-8")
        local = [
            f"listen=udp:{host}:{port}",
            f"listen=tcp:{host}:{port}",
            f"listen=tls:{host}:{port + 1}",
            f"tcp_source_ipv4={host}",  # nodes know it by its address, over TLS too
            "#!define WITH_TLS",
            f"#!define PROBE_SECONDS {probe_seconds}",
            f"#!define NODE_ANSWER_MS {answer_ms}",
        ]
        if carrier is not None:
            local.append(f'#!define CARRIER "sip:{carrier[0]}:{carrier[1]}"')
        (directory / "local.cfg").write_text("\n".join([*local, ""]), encoding="utf-8")
        lines = [f"1 sip:{node[0]}:{node[1]}{by_tls} 0 0" for node in nodes]
        (directory / "dispatcher.list").write_text("\n".join([*lines, ""]), encoding="utf-8")
        # -DD: its processes stay in our group, so that all of them end with the test
        options = {"-f": directory / "kamailio.cfg", "-w": directory, "-Y": directory}
        argv: list[str | Path] = ["kamailio", "-DD", "-E", "-m", "32", "-M", "4"]
        for option, value in options.items():
            argv += [option, value]
        self._program = Program("kamailio", argv, directory=directory)

    async def __aenter__(self) -> Self:
        """Start it; it listens when this returns."""
        await self._program.start()
        try:
            await until(
                lambda: self._listens() or not self._program.running,
                PATIENCE,
            )
            assert self._program.running, self.said()[-3000:]
        except BaseException:
            await self._program.stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """End it."""
        await self._program.stop(polite=Signals.SIGTERM, seconds=5.0)

    def _listens(self) -> bool:
        return _taken(self.address) and _taken(self.secure)

    def said(self) -> str:
        """Return its log."""
        return self._program.said()


def _taken(address: Address) -> bool:
    return is_taken(address[1], SOCK_STREAM, host=address[0])
