"""The link against real brokers: mosquitto (MQTT 5) and amqtt (MQTT 3.1.1)."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

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


def link(broker: Broker, name: str, topic: str, heard: list[tuple[str, bytes]]) -> MqttLink:
    return MqttLink(
        host="127.0.0.1",
        port=broker.port,
        client_id=name,
        topics=[topic],
        on_message=lambda topic, payload: heard.append((topic, payload)),
        protocol=broker.protocol,
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
