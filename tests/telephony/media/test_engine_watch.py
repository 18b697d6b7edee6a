"""Who sends RTCP but no RTP lives: the engine waits as long once more, and then tells."""

import json
import socket
import time
from functools import partial

import pytest

from telephony.media import control
from telephony.media.engine import Engine
from telephony.media.path import FRAME_SECONDS, PacketPath, PathEvent, RtpTimeout
from telephony.media.ports import PortPool
from telephony.media.python_path import PythonPath
from telephony.media.rtcp import ReceiverReport, build
from tests.contracts.media.lab import MakePath
from tests.support.ports import free_rtp_port
from tests.support.waiting import until

HOST = "127.0.0.1"
LIMIT = 30.0


class Watched:
    """An engine with one watched session, on a clock that the test turns."""

    def __init__(self, make: MakePath) -> None:
        self.told: list[str] = []
        self.timeouts: list[PathEvent] = []
        self.now = 1000.0
        first = free_rtp_port()
        self.engine = Engine(
            host=HOST,
            ports=PortPool(first, first + 1),
            emit=lambda line: self.told.append(json.loads(line).get("event", "")),
            make_path=self._path(make),
        )
        self.port = first
        self.path.advance(self.now)
        self.engine.obey(control.Open(id=1, session="a"))
        self.engine.obey(
            control.Remote(id=2, session="a", host=HOST, port=9, payload_type=8, codec="PCMA")
        )
        self.engine.obey(control.Watch(id=3, session="a", rtp_timeout=LIMIT))

    def _path(self, make: MakePath) -> MakePath:
        def made(on_event: object) -> PacketPath:
            def heard(event: PathEvent) -> None:
                if isinstance(event, RtpTimeout):
                    self.timeouts.append(event)
                on_event(event)  # type: ignore[operator]

            self.path = make(heard)
            return self.path

        return made

    def let_pass(self, seconds: float) -> None:
        for _ in range(round(seconds / FRAME_SECONDS)):
            self.now += FRAME_SECONDS
            self.path.advance(self.now)


async def test_reports_are_read_on_the_rtp_port_and_sent_there_where_it_is_shared() -> None:
    watched = Watched(PythonPath)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind((HOST, 0))
        peer.settimeout(10)
        port = peer.getsockname()[1]
        shared = control.Remote(
            id=4, session="a", host=HOST, port=port, payload_type=8, codec="PCMA", rtcp_mux=True
        )
        watched.engine.obey(shared)
        channel = watched.engine._sessions["a"].rtcp
        peer.sendto(build([ReceiverReport(2)]), (HOST, watched.port))
        watched.let_pass(FRAME_SECONDS)
        assert channel.heard_at is not None
        channel._send(build([ReceiverReport(3)]))
        assert peer.recvfrom(2048) == (build([ReceiverReport(3)]), (HOST, watched.port))
    await watched.engine.close()


async def test_a_report_stands_for_speech_once(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(PythonPath)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind((HOST, 0))
        rtcp = watched.engine._sessions["a"].rtcp  # nobody is told of a report
        peer.sendto(build([ReceiverReport(2)]), (HOST, watched.port + 1))
        await until(partial(lambda channel: channel.heard_at is not None, rtcp))
        watched.let_pass(LIMIT + 2)
        assert len(watched.timeouts) == 1
        assert "rtp_timeout" not in watched.told
        later = time.monotonic() + 2 * LIMIT
        monkeypatch.setattr(time, "monotonic", lambda: later)
        watched.let_pass(LIMIT + 2)
        monkeypatch.undo()
    await watched.engine.close()
    assert len(watched.timeouts) == 2
    assert watched.told.count("rtp_timeout") == 1
