"""The publisher against real brokers: mosquitto (MQTT 5) and amqtt (MQTT 3.1.1)."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from typing import Any

import aiomqtt
import pytest

from eventbus.catalogue import CallEnded, CallWaiting, TranscriptPartial
from eventbus.mqtt import MqttPublisher
from eventbus.outbox import Outbox
from tests.eventbus.brokers import Broker, Gate
from tests.support.waiting import until


def waiting(number: int) -> CallWaiting:
    return CallWaiting(at=float(number), call_id=str(number), line="12345")


def partial(text: str) -> TranscriptPartial:
    return TranscriptPartial(at=1.0, leg="caller", text=text, start=0.5)


def bodies(messages: list[aiomqtt.Message]) -> list[dict[str, Any]]:
    return [json.loads(message.payload) for message in messages]


def numbers(messages: list[aiomqtt.Message]) -> list[int]:
    """Which events arrived, repetitions left out as docs/events.md says."""
    first = {body["id"]: int(body["call_id"]) for body in reversed(bodies(messages))}
    order = dict.fromkeys(body["id"] for body in bodies(messages))
    return [first[identifier] for identifier in order]


@pytest.fixture(params=["mosquitto", "amqtt"])
async def broker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Broker]:
    broker = Broker(request.param, tmp_path)
    await broker.start()
    yield broker
    await broker.program.stop()


@pytest.fixture
async def gate(broker: Broker) -> AsyncIterator[Gate]:
    gate = Gate(broker)
    yield gate
    await gate.shut()


Make = Callable[..., MqttPublisher]


@pytest.fixture
async def make(broker: Broker, tmp_path: Path) -> AsyncIterator[Make]:
    made: list[MqttPublisher] = []

    def make_publisher(**arguments: Any) -> MqttPublisher:
        publisher = MqttPublisher(
            **{
                "host": "127.0.0.1",
                "port": broker.port,
                "node": "n1",
                "outbox": tmp_path / "outbox.db",
                "protocol": broker.protocol,
                **arguments,
            }
        )
        made.append(publisher)
        return publisher

    yield make_publisher
    for publisher in made:
        await publisher.close(patience=0)


async def test_an_event_arrives_on_its_topic_with_id_and_node(broker: Broker, make: Make) -> None:
    statuses: list[tuple[str, str | None]] = []
    publisher = make(on_status=lambda *status: statuses.append(status))
    async with broker.subscriber("hotline/call/#") as messages:
        await publisher.start()
        event = CallEnded(
            at=5.5, call_id="c", agent_id="1001", outcome="answered", ended_by="citizen", talked=9.0
        )
        publisher.publish(event)
        await until(lambda: messages)
    (message,) = messages
    assert str(message.topic) == "hotline/call/ended"
    body = json.loads(message.payload)
    assert body.pop("id")
    assert body.pop("node") == "n1"
    assert body == event.to_dict()
    assert statuses == [("ok", None)]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many messages each writing to the outbox has had."""
    written: list[int] = []
    append = Outbox.append

    def note(outbox: Outbox, batch: Sequence[tuple[str, bytes]]) -> int:
        written.append(len(batch))
        return append(outbox, batch)

    monkeypatch.setattr(Outbox, "append", note)
    return written


async def test_what_comes_together_is_written_in_one_go(
    gate: Gate, make: Make, written: list[int]
) -> None:
    publisher = make(port=gate.port)  # never opened
    await publisher.start()
    publisher.publish(waiting(0))
    for _ in range(5):
        await asyncio.sleep(0)
    publisher.publish(waiting(1))
    await until(lambda: written)
    assert written == [2]


async def test_what_a_broker_takes_at_once_is_never_written(
    broker: Broker, make: Make, written: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventbus.mqtt._TAKEN_SECONDS", 20.0)  # this machine may be busy
    publisher = make()
    async with broker.subscriber("hotline/call/#") as messages:
        await publisher.start()
        await until(lambda: publisher.sends_at_once)
        for n in range(120):
            publisher.publish(waiting(n))
            await asyncio.sleep(0)
        await until(lambda: len(messages) == 120)
        await publisher.close(patience=20)
    assert numbers(messages) == list(range(120))
    assert written == []


async def test_what_a_broker_is_slow_to_take_is_written_and_so_is_what_follows(
    broker: Broker,
    make: Make,
    written: list[int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("eventbus.mqtt._ANSWER_SECONDS", 20.0)
    publisher = make()
    async with broker.subscriber("hotline/call/#") as messages:
        await publisher.start()
        publisher.publish(waiting(0))
        await until(lambda: messages)
        await until(lambda: publisher.sends_at_once)
        written.clear()
        broker.program.signal(SIGSTOP)
        publisher.publish(waiting(1))
        publisher.publish(waiting(2))
        await until(lambda: written == [2])
        broker.program.signal(SIGCONT)
        await until(lambda: {*numbers(messages)} == {0, 1, 2})
        await until(lambda: publisher.sends_at_once)
        publisher.publish(waiting(3))
        await until(lambda: written == [2, 1])
        await publisher.close(patience=20)
    first = list({body["id"]: int(body["call_id"]) for body in bodies(messages)}.values())
    assert first == [0, 1, 2, 3]
    with sqlite3.connect(tmp_path / "outbox.db") as db:
        assert db.execute("SELECT COUNT(*) FROM outbox").fetchone() == (0,)
    db.close()


async def test_sending_gives_way(broker: Broker, make: Make) -> None:
    arrived_before: list[int] = []

    async with broker.subscriber("hotline/call/#") as messages:

        async def give_way() -> None:
            arrived_before.append(len(messages))

        publisher = make(give_way=give_way)
        await publisher.start()
        publisher.publish(waiting(0))
        await until(lambda: messages)
    assert arrived_before == [0]


async def test_the_broker_killed_while_publishing_loses_nothing(
    broker: Broker, gate: Gate, make: Make
) -> None:
    publisher = make(port=gate.port)
    await publisher.start()
    sent = 0
    arrived: list[aiomqtt.Message] = []

    async def publish(count: int) -> None:
        nonlocal sent
        for _ in range(count):
            publisher.publish(waiting(sent))
            sent += 1
            if sent % 10 == 0:
                await asyncio.sleep(0.001)

    for _ in range(3):
        async with broker.subscriber("hotline/call/#") as messages:
            await gate.open()
            await until(lambda: publisher.connected)
            await publish(200)
            before = len(messages)
            await until(lambda: len(messages) > before)  # noqa: B023 - called within this turn
            if not broker.forwards_before_it_acknowledges:
                await until(lambda: numbers(messages)[-1] == sent - 1)
            kill = asyncio.create_task(broker.kill())  # in the middle of the batch
            await publish(50)
            await kill
            await until(lambda: not publisher.connected)
        arrived += messages
        await gate.shut()
        await broker.start()
    async with broker.subscriber("hotline/call/#") as messages:
        await gate.open()
        await publish(10)
        await until(lambda: messages and numbers(messages)[-1] == sent - 1, 15)
        arrived += messages
    assert numbers(arrived) == list(range(sent))
    assert publisher.dropped == 0


async def test_what_was_not_sent_is_sent_by_the_next_run_under_the_same_id(
    broker: Broker, gate: Gate, make: Make, tmp_path: Path
) -> None:
    first = make(port=gate.port)  # never opened: the broker is away
    await first.start()
    for n in range(5):
        first.publish(waiting(n))
    await first.close()
    second = make()
    async with broker.subscriber("hotline/call/#") as messages:
        await second.start()
        second.publish(waiting(5))
        await until(lambda: len(messages) == 6)
        assert numbers(messages) == [0, 1, 2, 3, 4, 5]
    await second.close()
    with sqlite3.connect(tmp_path / "outbox.db") as db:
        assert db.execute("SELECT COUNT(*) FROM outbox").fetchone() == (0,)
    db.close()


async def test_the_status_topic_is_online_then_offline_at_close(broker: Broker, make: Make) -> None:
    publisher = make()
    async with broker.subscriber("hotline/node/n1/status") as messages:
        await publisher.start()
        await until(lambda: [m.payload for m in messages] == [b"online"])
        await publisher.close()
        await until(lambda: [m.payload for m in messages] == [b"online", b"offline"])
    # Retained: who comes later hears it too.
    async with broker.subscriber("hotline/node/+/status") as messages:
        await until(lambda: messages)
        assert messages[0].retain
        assert messages[0].payload == b"offline"


async def test_when_the_node_dies_the_broker_says_offline(
    broker: Broker, gate: Gate, make: Make
) -> None:
    await gate.open()
    publisher = make(port=gate.port)
    async with broker.subscriber("hotline/node/n1/status") as messages:
        await publisher.start()
        await until(lambda: [m.payload for m in messages] == [b"online"])
        await gate.shut()
        await until(lambda: [m.payload for m in messages] == [b"online", b"offline"])


async def test_close_sends_what_was_published_last(broker: Broker, make: Make) -> None:
    publisher = make()
    async with broker.subscriber("hotline/call/#") as messages:
        await publisher.start()
        await until(lambda: publisher.connected)
        for n in range(30):
            publisher.publish(waiting(n))
        await publisher.close()
        await until(lambda: len(messages) == 30)
    assert (await publisher.counts())["outbox"] == 0


async def test_partials_go_at_once_and_are_not_kept(broker: Broker, make: Make) -> None:
    publisher = make()
    await publisher.start()
    publisher.publish(partial("too early"))
    await until(lambda: publisher.connected)
    async with broker.subscriber("hotline/transcript/partial") as messages:
        publisher.publish(partial("西北街"))
        await until(lambda: messages)
        assert bodies(messages)[0]["text"] == "西北街"
        assert messages[0].qos == 0
    assert await publisher.counts() == {"outbox": 0, "dropped": 0, "dropped_partials": 1}


async def test_what_is_not_for_others_is_not_published(broker: Broker, make: Make) -> None:
    publisher = make(shown=lambda event: None if event.call_id == "0" else event.to_dict())
    async with broker.subscriber("hotline/call/#") as messages:
        await publisher.start()
        publisher.publish(waiting(0))
        publisher.publish(waiting(1))
        await until(lambda: messages)
        assert numbers(messages) == [1]


async def test_a_full_outbox_drops_the_oldest_and_counts_them(
    broker: Broker, gate: Gate, make: Make
) -> None:
    publisher = make(port=gate.port, limit=20)
    await publisher.start()
    for n in range(50):
        publisher.publish(waiting(n))
    async with broker.subscriber("hotline/call/#") as messages, asyncio.timeout(10):
        while (await publisher.counts())["dropped"] < 30:  # noqa: ASYNC110 - a database's doing
            await asyncio.sleep(0.01)
        await gate.open()
        await until(lambda: len(messages) == 20)
        assert numbers(messages) == list(range(30, 50))


async def test_a_disk_that_takes_nothing_loses_nothing(
    broker: Broker, gate: Gate, make: Make, tmp_path: Path
) -> None:
    publisher = make(port=gate.port)
    async with broker.subscriber("hotline/call/#") as messages:
        await publisher.start()
        # Another process holds the write lock: SQLite answers as it would on a full disk, an error.
        with sqlite3.connect(tmp_path / "outbox.db", isolation_level=None) as locker:
            locker.execute("BEGIN IMMEDIATE")
            publisher.publish(waiting(0))
            await until(lambda: publisher.failing, 10)
            publisher.publish(waiting(1))
            locker.execute("ROLLBACK")
        locker.close()
        await gate.open()
        await until(lambda: len(messages) == 2, 10)
    assert numbers(messages) == [0, 1]


async def test_a_disk_that_takes_nothing_keeps_nothing_from_a_broker(
    broker: Broker, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventbus.mqtt._TAKEN_SECONDS", 20.0)
    publisher = make()
    async with broker.subscriber("hotline/call/#") as messages:
        await publisher.start()
        await until(lambda: publisher.sends_at_once)
        with sqlite3.connect(tmp_path / "outbox.db", isolation_level=None) as locker:
            locker.execute("BEGIN IMMEDIATE")
            publisher.publish(waiting(0))
            await until(lambda: messages)
            locker.execute("ROLLBACK")
        locker.close()
    assert not publisher.failing


async def test_a_broker_that_paused_gets_what_no_disk_has_taken(
    broker: Broker, make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventbus.mqtt._ANSWER_SECONDS", 1.0)
    publisher = make()
    async with broker.subscriber("hotline/call/#") as messages:
        await publisher.start()
        await until(lambda: publisher.sends_at_once)
        with sqlite3.connect(tmp_path / "outbox.db", isolation_level=None) as locker:
            locker.execute("BEGIN IMMEDIATE")
            broker.program.signal(SIGSTOP)
            publisher.publish(waiting(0))
            await until(lambda: publisher.failing)
            broker.program.signal(SIGCONT)
            publisher.publish(waiting(1))
            await until(lambda: {*numbers(messages)} == {0, 1})
            await until(lambda: not publisher.failing)
            locker.execute("ROLLBACK")
        locker.close()


async def test_bad_credentials_are_away_with_the_brokers_words(tmp_path: Path) -> None:
    broker = Broker("mosquitto", tmp_path)
    config = tmp_path / "mosquitto"
    config.write_text(config.read_text().replace("anonymous true", "anonymous false"))
    await broker.start()
    publisher = MqttPublisher(
        host="127.0.0.1", port=broker.port, node="n1", outbox=tmp_path / "outbox.db"
    )
    await publisher.start()
    await until(lambda: publisher.reason)
    assert publisher.reason is not None
    assert "authori" in publisher.reason.lower()
    assert not publisher.connected
    await publisher.close()
    await broker.program.stop()
