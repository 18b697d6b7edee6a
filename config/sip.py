"""The settings of signalling: addresses, certificates, and what an open port puts up with."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, model_validator

from config.listeners import read_listener
from config.lists import split
from config.section import Section
from config.values import (
    HostPort,
    OptionalPath,
    OptionalText,
    Port,
    Positive,
    Seconds,
    Text,
    empty_is_none,
)


class ListenerSettings(Section):
    """One more address to be reached at."""

    transport: Literal["UDP", "TCP", "TLS", "WS", "WSS"]
    """What is spoken there."""
    host: Text
    """An address of this machine; 0.0.0.0 and :: are all of a family."""
    port: Port
    """The port."""
    advertised: HostPort = None
    """What we say about it in Via and Contact; None: the node finds it."""


Listener = Annotated[ListenerSettings, BeforeValidator(read_listener)]
Listeners = Annotated[tuple[Listener, ...], BeforeValidator(split)]


class TlsSettings(Section):
    """Certificates for SIP over TLS and secure WebSocket."""

    certificate: OptionalPath
    """Ours, with its chain, PEM; None: the node makes one that proves nothing."""
    key: OptionalPath
    """Its private key, PEM, not encrypted."""
    ca: OptionalPath
    """Those who sign our peers' certificates, PEM; None: clients are not asked for one."""
    trunks_need_certificate: bool
    """Whether a trunk's calls are taken only with a certificate that ``ca`` has signed."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key together")
        if self.trunks_need_certificate and self.ca is None:
            raise ValueError("trunks_need_certificate with ca")
        return self


class SipSettings(Section):
    """Signalling."""

    host: Text
    """Address on which trunks and agents' phones reach us."""
    port: Port
    """UDP and TCP port there."""
    advertised_host: OptionalText
    """The address we give ourselves in Via and Contact; None: the node finds it."""
    listeners: Listeners
    """Further addresses to be reached at."""
    max_connections_per_source: Annotated[int, Field(ge=1)]
    """TCP, TLS and WebSocket connections from one address at once."""
    connection_idle_seconds: Seconds
    """A connection on which nothing comes and goes for so long is closed."""
    overload_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    """How late the node may stand before it refuses new calls with 503; 0: never."""
    qualify_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    """How often a registered phone is asked by OPTIONS whether it is there; 0: never."""
    realm: Text
    """The realm of digest authentication; stored passwords are bound to it."""
    nonce_secret: Annotated[SecretStr | None, BeforeValidator(empty_is_none)]
    """Key of the digest challenges, the same on all nodes; None: one of our own, new each start."""
    no_answer_seconds: Seconds
    """How long an agent's phone rings before the call is offered to the next agent."""
    min_expires: Annotated[int, Field(ge=1)]
    """Shortest life of a registration, seconds; a phone that asks for less is answered 423."""
    max_expires: Annotated[int, Field(ge=1)]
    """Longest life of a registration, seconds."""
    default_expires: Annotated[int, Field(ge=1)]
    """Life of a registration that asks for none, seconds."""
    session_seconds: Annotated[int, Field(ge=90)]
    """After so long without a sign of the other side a call ends (RFC 4028); proposed to it."""
    min_session_seconds: Annotated[int, Field(ge=90)]
    """A caller who proposes less is answered 422."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.min_expires <= self.default_expires <= self.max_expires:
            raise ValueError("min_expires <= default_expires <= max_expires")
        if self.session_seconds < self.min_session_seconds:
            raise ValueError("min_session_seconds <= session_seconds")
        return self


class AbuseSettings(Section):
    """What an open SIP port puts up with; rates in datagrams a second."""

    stranger_rate: Positive
    """From one source that is neither a trunk nor a registered phone's."""
    strangers_rate: Positive
    """From all of these together."""
    answer_rate: Positive
    """Answers to one of these."""
    answers_rate: Positive
    """Answers to all of them together."""
    phone_rate: Positive
    """From one source at which somebody has registered."""
    trunk_rate: Positive
    """From one address of a trunk."""
    phone_calls: Annotated[int, Field(ge=1)]
    """That one source at which somebody has registered may have made, at once."""
    failures: Annotated[int, Field(ge=1)]
    """So many wrong passwords ban a source."""
    failure_seconds: Seconds
    """Within so long."""
    ban_seconds: Seconds
    """For so long; twice as long each further time."""
    scanners: Annotated[tuple[Text, ...], BeforeValidator(split)]
    """What the User-Agent of a scanner contains."""
