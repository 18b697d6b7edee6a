"""A connection without its socket, by a clock of the test's own."""

import asyncio
from collections.abc import Callable
from operator import itemgetter
from types import SimpleNamespace

import pytest

from telephony.transport.connection import Connection, ConnectionLimits
from telephony.transport.framing import SipStream
from telephony.transport.listener import Bound
from tests.telephony.sip.samples import wire

SECONDS = 10.0
MESSAGE = wire("OPTIONS")


class Clock:
    """What a connection wants of its loop."""

    def __init__(self) -> None:
        self.now = 0.0
        self._timers: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, at: float, call: Callable[[], None]) -> SimpleNamespace:
        timer = (at, call)
        self._timers.append(timer)
        return SimpleNamespace(cancel=lambda: self._cancel(timer))

    def _cancel(self, timer: tuple[float, Callable[[], None]]) -> None:
        if timer in self._timers:  # else it has rung
            self._timers.remove(timer)

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        while due := [timer for timer in self._timers if timer[0] <= end]:
            timer = min(due, key=itemgetter(0))
            self._timers.remove(timer)
            self.now = timer[0]
            timer[1]()
        self.now = end


class Wire(asyncio.Transport):
    """A transport that goes nowhere."""

    aborted = False

    def abort(self) -> None:
        self.aborted = True


class User:
    """Counts messages."""

    def __init__(self) -> None:
        self.messages = 0

    def opened(self, _connection: Connection) -> bool:
        return True

    def received(self, _connection: Connection, message: bytes) -> None:
        assert message == MESSAGE
        self.messages += 1

    def closed(self, _connection: Connection) -> None:
        pass


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Return the clock that connections of this test go by."""
    clock = Clock()
    monkeypatch.setattr("telephony.transport.connection.asyncio.get_running_loop", lambda: clock)
    return clock


def opened() -> tuple[Connection, Wire, User]:
    wire, user = Wire(), User()
    limits = ConnectionLimits(message_seconds=SECONDS, idle_seconds=90 * SECONDS)
    bound = Bound("TCP", 0, ("127.0.0.1", 5060), ("127.0.0.1", 5060))
    connection = Connection(flow=1, bound=bound, codec=SipStream(), user=user, limits=limits)
    connection.connection_made(wire)
    return connection, wire, user


def test_a_busy_connection_may_end_every_read_within_a_message(clock: Clock) -> None:
    connection, wire, user = opened()
    half = len(MESSAGE) // 2
    connection.data_received(MESSAGE[:half])
    for _ in range(50):
        clock.sleep(SECONDS / 2)
        connection.data_received(MESSAGE[half:] + MESSAGE + MESSAGE[:half])
    assert (user.messages, wire.aborted) == (100, False)


def test_the_last_message_of_a_busy_connection_has_its_time_and_no_more(clock: Clock) -> None:
    connection, wire, _ = opened()
    connection.data_received(MESSAGE + MESSAGE[:40])
    for byte in range(40, 49):
        clock.sleep(SECONDS / 10)
        connection.data_received(MESSAGE[byte : byte + 1])
    assert not wire.aborted
    clock.sleep(SECONDS / 10)
    assert wire.aborted


def test_who_says_no_whole_message_is_cut_off_long_before_who_falls_silent(clock: Clock) -> None:
    silent, cut_off, _ = opened()
    idle, wire, _ = opened()
    silent.data_received(MESSAGE[:7])
    idle.data_received(MESSAGE)
    clock.sleep(SECONDS)
    assert (cut_off.aborted, wire.aborted) == (True, False)
    clock.sleep(80 * SECONDS)
    assert not wire.aborted
    clock.sleep(10 * SECONDS)
    assert wire.aborted


def test_between_two_messages_nobody_is_in_a_hurry(clock: Clock) -> None:
    connection, wire, _ = opened()
    connection.data_received(MESSAGE + MESSAGE[:40])
    clock.sleep(SECONDS / 2)
    connection.data_received(MESSAGE[40:])
    clock.sleep(80 * SECONDS)
    assert not wire.aborted
