"""The link against real brokers: mosquitto (MQTT 5) and amqtt (MQTT 3.1.1)."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from eventbus.mqtt_link import MqttLink
from tests.eventbus.brokers import Broker
from tests.support.waiting import until

SECONDS = 30.0


@pytest.fixture(params=["mosquitto", "amqtt"])
async def broker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Broker]:
    broker = Broker(request.param, tmp_path)
    await broker.start()
    yield broker
    await broker.program.stop()


#: Everybody may publish, and listen to one topic.
_LISTS = """
  amqtt.plugins.topic_checking.TopicAccessControlListPlugin:
    acl: {anonymous: ["x/allowed"]}
"""


def link(
    broker: Broker,
    name: str,
    topic: str,
    heard: list[tuple[str, bytes]],
    on_refused: Callable[[str | None], None] = lambda _why: None,
) -> MqttLink:
    return MqttLink(
        host="127.0.0.1",
        port=broker.port,
        client_id=name,
        topics=[topic],
        on_message=lambda topic, payload: heard.append((topic, payload)),
        protocol=broker.protocol,
        on_refused=on_refused,
    )


async def test_both_ways_and_again_after_the_broker_was_killed(broker: Broker) -> None:
    at_us: list[tuple[str, bytes]] = []
    at_them: list[tuple[str, bytes]] = []
    ours = link(broker, "us", "x/exchange/+/from", at_us)
    theirs = link(broker, "them", "x/exchange/110/to", at_them)
    ours.publish("x/exchange/110/to", b"lost: nobody is connected")
    assert ours.dropped == 1
    await ours.start()
    await theirs.start()
    try:
        for turn in (b"1", b"2"):
            await until(lambda: ours.connected and theirs.connected, SECONDS)
            ours.publish("x/exchange/110/to", turn)
            theirs.publish("x/exchange/110/from", turn)
            await until(lambda: len(at_us) == len(at_them) == int(turn), SECONDS)  # noqa: B023 - called within this turn
            if turn == b"1":
                await broker.kill()
                await until(lambda: not ours.connected and not theirs.connected, SECONDS)
                await broker.start()
    finally:
        await ours.close()
        await theirs.close()
    assert at_us == [("x/exchange/110/from", b"1"), ("x/exchange/110/from", b"2")]
    assert at_them == [("x/exchange/110/to", b"1"), ("x/exchange/110/to", b"2")]


async def test_a_broker_that_lets_us_not_listen_is_told_of_and_asked_again(
    tmp_path: Path,
) -> None:
    broker = Broker("amqtt", tmp_path, plugins=_LISTS)
    told: list[str | None] = []
    heard: list[tuple[str, bytes]] = []
    deaf = link(broker, "deaf", "x/exchange/110/from", heard, told.append)
    fine = link(broker, "fine", "x/allowed", heard, told.append)
    await broker.start()
    try:
        await fine.start()
        await until(lambda: fine.connected, SECONDS)
        assert told == [None]
        told.clear()
        with capture_logs() as logged:
            await deaf.start()
            await until(lambda: len(told) >= 2, SECONDS)  # refused, and asked again
        assert set(told) == {"x/exchange/110/from: 0x80"}
        assert not deaf.connected
    finally:
        await deaf.close()
        await fine.close()
        await broker.program.stop()
    (refusal,) = (line for line in logged if line["event"] == "mqtt_subscription_refused")
    assert refusal["log_level"] == "error"
