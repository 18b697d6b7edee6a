"""What carries events: the broker for others, Redis among the nodes."""

import ssl
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from config.servers import MqttSettings
from eventbus.mqtt import MqttPublisher
from hotline.exchange import BrokerAddress


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
    """Return the embedded broker, which speaks 3.1.1 only."""
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
    )
