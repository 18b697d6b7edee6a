"""The link against real brokers: mosquitto (MQTT 5) and amqtt (MQTT 3.1.1)."""

from collections.abc import AsyncIterator, Callable, Sequence
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
    topics: Sequence[str],
    heard: list[tuple[str, bytes]],
    *,
    on_refused: Callable[[str | None], None] = lambda _why: None,
    on_up: Callable[[], None] = lambda: None,
) -> MqttLink:
    return MqttLink(
        host="127.0.0.1",
        port=broker.port,
        client_id=name,
        topics=topics,
        on_message=lambda topic, payload: heard.append((topic, payload)),
        protocol=broker.protocol,
        on_refused=on_refused,
        on_up=on_up,
    )


async def test_both_ways_and_again_after_the_broker_was_killed(broker: Broker) -> None:
    at_us: list[tuple[str, bytes]] = []
    at_them: list[tuple[str, bytes]] = []
    ours = link(broker, "us", ["x/exchange/+/from"], at_us)
    theirs = link(broker, "them", ["x/exchange/110/to"], at_them)
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


async def test_a_topic_that_the_broker_refuses_is_told_of_and_asked_again_while_the_rest_goes_on(
    tmp_path: Path,
) -> None:
    broker = Broker("amqtt", tmp_path, plugins=_LISTS)
    told: list[str | None] = []
    fine: list[str | None] = []
    ups: list[bool] = []
    heard: list[tuple[str, bytes]] = []
    topics = ["x/exchange/110/from", "x/allowed"]
    ours = link(
        broker, "ours", topics, heard, on_refused=told.append, on_up=lambda: ups.append(True)
    )
    theirs = link(broker, "theirs", ["x/allowed"], [], on_refused=fine.append)
    await broker.start()
    try:
        with capture_logs() as logged:
            await theirs.start()
            await ours.start()
            await until(lambda: len(told) >= 3, SECONDS)  # refused, and asked again
        await until(lambda: theirs.connected and ours.connected, SECONDS)
        theirs.publish("x/allowed", b"to us")
        await until(lambda: heard, SECONDS)
        ours.publish("x/allowed", b"from us")
        await until(lambda: len(heard) == 2, SECONDS)
    finally:
        await ours.close()
        await theirs.close()
        await broker.program.stop()
    assert heard == [("x/allowed", b"to us"), ("x/allowed", b"from us")]
    assert set(told) == {"x/exchange/110/from: 0x80"}
    assert fine == [None]
    assert ups == [True], "over the same connection"
    (refusal,) = (line for line in logged if line["event"] == "mqtt_subscription_refused")
    assert refusal["log_level"] == "error"
