"""What carries events: the broker for others, Redis among the nodes."""

import ssl
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.driver_info import DriverInfo

from config.servers import MqttSettings
from eventbus.catalogue import Event
from eventbus.fanout import RedisFanout
from eventbus.mqtt import MqttPublisher
from hotline.embedded import embedded_broker, embedded_redis, free_port, redis_url
from hotline.exchange import BrokerAddress
from hotline.frame import Frame
from hotline.node import nothing
from hotline.outside import outside

log = structlog.get_logger(__name__)

_REMEDY: Final = (
    "if Debian's mosquitto has the port: systemctl disable --now mosquitto;"
    " if that broker shall carry our events: set mqtt.url; else give us another mqtt.port"
)


def add_redis(frame: Frame) -> Redis:
    """Add Redis, an own one unless the settings name one, and return the client of all."""
    settings = frame.settings.redis
    if settings.url is None:
        frame.child(embedded_redis(frame.directory))
    redis: Redis = Redis.from_url(
        settings.url or redis_url(frame.directory),
        # socket_timeout stays redis-py's 5 s, for the few who have no time-out of their own. For it
        # redis-py makes a task for each command's sending, which costs more than the command:
        # whoever sends many does so over a RedisLine, which takes it off and watches by itself.
        socket_connect_timeout=1.0,
        health_check_interval=5,
        # Whoever uses it has his own way on without Redis; repeating would only delay that.
        retry=Retry(NoBackoff(), 0),
        # Told once: otherwise each new connection looks its own version up on the disk.
        driver_info=DriverInfo(),
    )
    frame.part("redis connection", nothing, redis.aclose)
    return redis


def add_event_carriers(frame: Frame, redis: Redis) -> BrokerAddress:
    """Add what carries events to other nodes and to the broker, which is returned."""
    settings, node = frame.settings.mqtt, frame.settings.node.id
    if settings.url is None:
        port = free_port(settings.port)
        if settings.port not in {port, 0}:
            # Whoever reads events there reaches another program, and waits without an error.
            frame.running.mqtt_taken = settings.port
            log.warning("mqtt_port_taken", wanted=settings.port, port=port, remedy=_REMEDY)
        frame.child(embedded_broker(frame.directory, port=port))
        broker = own_broker(port)
    else:
        broker = broker_address(settings.url, settings)
    frame.running.mqtt = (broker.host, broker.port)
    publisher = mqtt_publisher(
        broker,
        node=node,
        prefix=settings.topic_prefix,
        outbox=frame.directory.root / "outbox.db",
        on_status=partial(frame.health.set, "mqtt"),
        give_way=frame.precedence.give_way,
        shown=outside(full_numbers=settings.full_numbers, partials=settings.partials),
    )
    fanout = RedisFanout(bus=frame.bus, redis=redis, node=node, prefix=frame.settings.redis.prefix)
    frame.part("event fan-out", fanout.start, fanout.close)

    # Now, not once it is started: what parts are found to be before that is told as well.
    frame.bus.subscribe(publisher.publish, own_only=True)

    async def start() -> None:
        await publisher.start()
        frame.health.count("outbox", publisher.counts)

    frame.part("MQTT publisher", start, publisher.close)
    return broker


def broker_address(url: str, settings: MqttSettings) -> BrokerAddress:
    """Return the broker that the settings name by a URL."""
    parts = urlsplit(url)
    secure = parts.scheme == "mqtts"
    return BrokerAddress(
        host=parts.hostname or "127.0.0.1",
        port=parts.port or (8883 if secure else 1883),
        protocol=settings.protocol,
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        tls=ssl.create_default_context() if secure else None,
    )


def own_broker(port: int) -> BrokerAddress:
    """Return the embedded broker; 3.1.1 is what each that it may be speaks."""
    return BrokerAddress(
        host="127.0.0.1", port=port, protocol="3.1.1", username=None, password=None, tls=None
    )


def mqtt_publisher(
    broker: BrokerAddress,
    *,
    node: str,
    prefix: str,
    outbox: Path,
    on_status: Callable[[str, str | None], None],
    give_way: Callable[[], Awaitable[None]],
    shown: Callable[[Event], Mapping[str, Any] | None],
) -> MqttPublisher:
    """Return what sends events to a broker, and keeps them in ``outbox`` while it is away."""
    return MqttPublisher(
        host=broker.host,
        port=broker.port,
        node=node,
        outbox=outbox,
        protocol=broker.protocol,
        prefix=prefix,
        username=broker.username,
        password=broker.password,
        tls=broker.tls,
        on_status=on_status,
        give_way=give_way,
        shown=shown,
    )
