"""The settings of the servers that a node uses, and of its own for browsers."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from config.section import Section
from config.values import (
    DatabaseUrl,
    MqttUrl,
    Name,
    Networks,
    Port,
    Positive,
    RedisUrl,
    Seconds,
    Text,
    empty_is_none,
)


class RedisSettings(Section):
    """Shared state."""

    url: Annotated[RedisUrl | None, BeforeValidator(empty_is_none)]
    """Where Redis is; None: the node starts its own."""
    prefix: Name
    """First part of every key."""


class MqttSettings(Section):
    """Events for others."""

    url: Annotated[MqttUrl | None, BeforeValidator(empty_is_none)]
    """Where the broker is; None: the node starts its own, which speaks 3.1.1 only."""
    port: Port
    """TCP port of the broker of our own; a free one in its place if it is taken."""
    topic_prefix: Annotated[str, StringConstraints(pattern=r"^[^/+#\s][^+#\s]*$")]
    """First part of every topic."""
    protocol: Literal["5", "3.1.1"]
    """The version of MQTT that the broker at ``url`` is spoken to in."""
    full_numbers: bool
    """Whether events hold telephone numbers in full; otherwise their middle is masked."""
    partials: bool
    """Whether words are published while they are being said: a wish for secrecy may follow them."""


class DatabaseSettings(Section):
    """Call records, transcripts, tickets, accounts."""

    url: Annotated[DatabaseUrl | None, BeforeValidator(empty_is_none)]
    """Where the database is; None: SQLite in the data directory."""


class WebSettings(Section):
    """The desktop and the API."""

    host: Text
    """Address on which browsers reach us."""
    port: Port
    """TCP port there."""
    metrics_allow: Networks
    """Networks from which Prometheus may scrape /metrics and read the whole of /health."""
    session_idle_seconds: Seconds
    """After so long without a request an agent must sign in again."""
    sign_in_failures: Annotated[int, Field(ge=1)]
    """So many sign-ins from one address may fail at once, with whichever accounts."""
    sign_in_failures_per_minute: Positive
    """After those, so many may fail in each minute."""
