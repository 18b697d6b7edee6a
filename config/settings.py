"""The settings: one frozen object, read and checked once, at start.

``load()`` lays three layers over each other: ``config/default.toml``, which gives every option its
default; the operator's file; and ``HOTLINE_SECTION__OPTION`` variables. The models below say what
each option means and which values it takes. They hold no defaults, so default.toml and the models
cannot disagree: an option that is missing from one of them fails every load.
"""

import re
from collections.abc import Mapping
from datetime import date
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    model_validator,
)

from config.errors import ConfigError
from config.exchange import ExchangeSettings
from config.experts import ExpertSettings
from config.explain import explain
from config.layers import read_layers
from config.listeners import read_listener
from config.routing import RoutingSettings
from config.section import Section
from config.waiting import CallBackSettings, RatingSettings, WaitingSettings

__all__ = ["ConfigError", "Settings", "load"]

DEFAULTS = Path(__file__).with_name("default.toml")


def _empty_is_none(value: object) -> object:
    return None if value == "" else value


def _split(value: object) -> object:
    """Variables hold lists as ``a,b,c``."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _pairs(value: object) -> object:
    """Read ``["咨询=2"]``, which a variable can hold as well, as ``{"咨询": "2"}``."""
    parts = _split(value)
    if not isinstance(parts, list | tuple):
        return parts
    pairs = [str(part).partition("=") for part in parts]
    if any(not (name.strip() and equals) for name, equals, _ in pairs):
        raise ValueError("name=number, as 咨询=2")
    return {name.strip(): number.strip() for name, _, number in pairs}


def _network(value: object) -> IPv4Network | IPv6Network:
    try:
        return ip_network(str(value))
    except ValueError as error:
        raise ValueError("a network, as 10.2.0.0/16") from error


_HOST_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::([0-9]{1,5}))?")


def _host_port(value: object) -> object:
    """Read ``host``, ``host:port`` or ``[IPv6]:port``; without a port it is None."""
    if not isinstance(value, str) or not value:
        return value or None
    found = _HOST_PORT.fullmatch(value)
    if found is None:
        raise ValueError("a host, as sbc.example.cn, 10.2.0.1:5080 or [2001:db8::1]:5060")
    return found[1] or found[2], found[3]


def _rule(value: tuple[str, str]) -> tuple[str, str]:
    pattern, replacement = value
    try:
        # matches nothing by itself, yet fills in the template: that names every wrong group
        re.compile(f"(?:{pattern})?").sub(replacement, "")
    except (re.error, IndexError) as error:
        message = f"pairs of a regular expression and a replacement ({pattern!r}: {error})"
        raise ValueError(message) from error
    return value


def _url(*schemes: str) -> AfterValidator:
    def check(value: str) -> str:
        if not value.startswith(tuple(f"{scheme}:" for scheme in schemes)):
            raise ValueError("an address that begins with " + " or ".join(f"{s}:" for s in schemes))
        return value

    return AfterValidator(check)


Port = Annotated[int, Field(ge=1, le=65535)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]+$")]
Number = Annotated[str, StringConstraints(pattern=r"^\+?[0-9]{1,20}$")]
OptionalText = Annotated[Text | None, BeforeValidator(_empty_is_none)]
OptionalPath = Annotated[Path | None, BeforeValidator(_empty_is_none)]
Numbers = Annotated[tuple[Number, ...], BeforeValidator(_split)]
Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]
Hours = Annotated[
    str, StringConstraints(pattern=r"^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$")
]
Networks = Annotated[tuple[Network, ...], BeforeValidator(_split)]
HostPort = Annotated[tuple[str, Port | None] | None, BeforeValidator(_host_port)]
Rules = tuple[Annotated[tuple[str, str], AfterValidator(_rule)], ...]
Rank = Annotated[int, Field(ge=0, le=65535)]
RedisUrl = Annotated[str, _url("redis", "rediss", "unix")]
MqttUrl = Annotated[str, _url("mqtt", "mqtts")]
WorkingDays = Annotated[int, Field(ge=0, le=365)]
KeptDays = Annotated[int, Field(ge=0)]
DaysByName = Annotated[dict[str, WorkingDays], BeforeValidator(_pairs)]
Days = Annotated[tuple[date, ...], BeforeValidator(_split)]
HttpUrl = Annotated[str, _url("http", "https")]
NamesByText = Annotated[dict[str, Name], BeforeValidator(_pairs)]
SpeechUrl = Annotated[str, _url("ws", "wss")]
DatabaseUrl = Annotated[str, _url("postgresql+asyncpg", "sqlite+aiosqlite")]


class NodeSettings(Section):
    """This node itself."""

    id: Name
    """Names this node among several; must differ on each."""
    data_dir: Path
    """Where everything is kept that outlives a call."""
    stop_seconds: Seconds
    """How long stopping waits for calls to be hung up and results to be written."""


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
Listeners = Annotated[tuple[Listener, ...], BeforeValidator(_split)]


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
    nonce_secret: Annotated[SecretStr | None, BeforeValidator(_empty_is_none)]
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


class TrunkSettings(Section):
    """A carrier's or a partner's SIP exchange, or several that are used alike.

    The only tables with defaults of their own: the operator makes as many as he needs, and names
    what is special about each. They stand in default.toml all the same; a test compares.
    """

    networks: Networks = ()
    """Networks from which its calls are taken."""
    address: HostPort = None
    """Where calls to it are sent, ``host`` or ``host:port``; None: it only brings calls."""
    transport: Literal["udp", "tcp", "tls"] = "udp"
    """By what it is called."""
    domain: OptionalText = None
    """The host part of the addresses at it; None: as ``address``."""
    priority: Rank = 0
    """Of those that work the lowest is taken."""
    weight: Rank = 1
    """The share of calls among those of one priority."""
    max_calls: Annotated[int, Field(ge=0)] = 0
    """Calls at once, both directions; 0: any number."""
    calls_per_second: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """New calls a second, both directions; 0: any number."""
    options_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 5.0
    """How often it is asked whether it is there; 0: never."""
    user: Annotated[Name | None, BeforeValidator(_empty_is_none)] = None
    """Our account there; None: it knows us by our address."""
    password: Annotated[SecretStr | None, BeforeValidator(_empty_is_none)] = None
    """The account's password."""
    register_: Annotated[bool, Field(alias="register")] = False
    """Whether to register the account there, so that calls find us."""
    register_expires: Annotated[int, Field(ge=60)] = 3600
    """The life of a registration that is asked for, seconds."""
    inbound: Rules = ()
    """Makes its numbers ours, before ``numbers.inbound`` does."""
    outbound: Rules = ()
    """Makes our numbers its, after ``numbers.outbound`` has."""
    inband_keys: bool = False
    """Whether keys are looked for in its audio, where it offers no telephone-event."""

    @model_validator(mode="after")
    def _usable(self) -> Self:
        if not self.networks and self.address is None:
            raise ValueError("networks, an address, or both")
        if (self.user is None) != (self.password is None):
            raise ValueError("user and password together")
        if self.user is not None and self.address is None:
            raise ValueError("an address for its user")
        if self.register_ and self.user is None:
            raise ValueError("user and password to register with")
        return self


class NumberSettings(Section):
    """How telephone numbers are written."""

    inbound: Rules
    """Applied in order to every number that a trunk brings."""
    outbound: Rules
    """Applied in order to every number that goes out to a trunk."""


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
    scanners: Annotated[tuple[Text, ...], BeforeValidator(_split)]
    """What the User-Agent of a scanner contains."""


class LineSettings(Section):
    """A number that citizens dial."""

    name: Text
    """Its name on the agent's screen."""
    skill: Text
    """The skill an agent needs to be offered its calls."""


TicketField = Literal[
    "name",
    "title",
    "phone",
    "address",
    "type",
    "category",
    "topic",
    "time",
    "urgent",
    "urgency",
    "urgency_reason",
    "secret",
    "repeat",
    "party",
    "content",
]


class PartnerSettings(Section):
    """Somebody outside whom calls go to: 110, 120, another city's hotline.

    As with trunks there are as many as the operator makes, with defaults of their own.
    """

    name: Text
    """Its name on the agents' screens."""
    numbers: Annotated[Numbers, Field(min_length=1)]
    """Its numbers, tried in this order."""
    trunks: Annotated[tuple[Name, ...], BeforeValidator(_split)] = ()
    """The trunks that lead to it; none: any."""
    hours: Annotated[Hours | None, BeforeValidator(_empty_is_none)] = None
    """When it takes calls, ``08:30-17:30``, China time; None: day and night."""
    tell_withheld: bool = False
    """Whether it is told the number of a caller who withholds it."""
    calls_from: Annotated[tuple[Name, ...], BeforeValidator(_split)] = ()
    """Its own trunks: a call by one is its (green channel); to others nothing goes out by them."""
    shares: Annotated[tuple[TicketField, ...], BeforeValidator(_split)] = ()
    """The fields of a ticket that it may be given; none: tickets are not exchanged with it."""
    one_key: Literal["blind", "consult", "conference"] = "blind"
    """What the agent's one key for it does with a call."""


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"a regular expression ({error})") from error
    return value


Patterns = Annotated[tuple[Annotated[str, AfterValidator(_pattern)], ...], BeforeValidator(_split)]


class DialingSettings(Section):
    """What may be called besides partners, lines and agents; each pattern matches whole numbers."""

    agent: Patterns
    """The numbers that agents may call."""
    supervisor: Patterns
    """The numbers that supervisors may call."""
    admin: Patterns
    """The numbers that administrators may call."""
    ring_seconds: Seconds
    """How long each number outside rings."""
    echo: Annotated[str, StringConstraints(pattern=r"^[0-9*#]{0,16}$")]
    """The number by which a phone hears itself; empty: there is none."""


class MediaSettings(Section):
    """Speech (RTP)."""

    host: Text
    """Address for RTP."""
    port_first: Port
    """First of the UDP ports for RTP."""
    port_last: Port
    """Last of them."""
    advertised_host: OptionalText
    """The address we give ourselves in session descriptions; None: as ``sip.advertised_host``."""
    secure_phones: bool
    """Whether agents' phones that registered over TLS are called with SRTP."""
    engine: Literal["auto", "native", "python"]
    """What carries the packets; auto: the native one where set-up has built it."""
    processes: Annotated[int, Field(ge=0, le=64)]
    """How many processes carry speech; 0: one for each two cores."""
    pin_cores: bool
    """Whether each of them keeps to a core of its own."""
    realtime: bool
    """Whether packets go before all that is not in real time, where the system permits it."""
    codecs: Annotated[tuple[Literal["PCMA", "PCMU", "G722", "opus"], ...], Field(min_length=1)]
    """What calls may be coded with, our favourite first."""
    dead_leg_seconds: Annotated[float, Field(ge=0, le=86400, allow_inf_nan=False)]
    """Who sends neither RTP nor RTCP for so long is hung up; 0: nobody is."""

    @model_validator(mode="after")
    def _room_for_a_call(self) -> Self:
        # A call has two legs, a leg has an RTP port and the RTCP port above it.
        if self.port_last - self.port_first < 3:  # noqa: PLR2004 - two legs' ports, see above
            raise ValueError("port_last at least 3 above port_first")
        pairs = (self.port_last + 1 - (self.port_first + self.port_first % 2)) // 2
        if pairs // 2 < self.processes:
            raise ValueError("two pairs of ports for each of media.processes")
        return self


class RecordingSettings(Section):
    """Recordings of calls."""

    enabled: bool
    """Whether calls are recorded."""
    directory: OptionalPath
    """Where; None: ``recordings`` in the data directory."""
    encryption_key_file: OptionalPath
    """A file with the keys that recordings are sealed with; None: they are WAV files."""
    encryption_key: Annotated[SecretStr | None, BeforeValidator(_empty_is_none)]
    """The keys themselves; goes before the file."""


class VadSettings(Section):
    """The detector that keeps silence from the engine and tells it where an utterance ends."""

    enabled: bool
    """Whether there is one; else the engine hears all, and finds the ends itself."""
    pre_roll_seconds: Seconds
    """How much before the voice is heard as well."""
    hang_over_seconds: Seconds
    """The silence that ends an utterance; the detector itself adds about 0.1 s."""
    aggressiveness: Annotated[int, Field(ge=0, le=3)]
    """How sure it must be to call something voice."""


class RecogniserSettings(Section):
    """A further recogniser, for certain lines or seats."""

    engine: Literal["vosk", "vosk-server", "funasr", "scripted"]
    """What recognises."""
    model_path: OptionalPath = None
    """As ``asr.model_path``."""
    url: Annotated[SpeechUrl | None, BeforeValidator(_empty_is_none)] = None
    """As ``asr.url``."""
    server_rate: Literal[8000, 16000] = 8000
    """As ``asr.server_rate``."""
    phrases_path: OptionalPath = None
    """As ``asr.phrases_path``."""
    only_phrases: bool = False
    """As ``asr.only_phrases``."""
    processes: Annotated[int, Field(ge=0)] = 0
    """As ``asr.processes``."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        _check_recogniser(self)
        return self


class AsrSettings(Section):
    """Speech recognition."""

    enabled: bool
    """Whether calls are transcribed."""
    engine: Literal["vosk", "vosk-server", "funasr", "scripted"]
    """What recognises."""
    model_path: OptionalPath
    """The model's folder, or the script's file; None: VOSK_MODEL_PATH, or what set-up fetched."""
    url: Annotated[SpeechUrl | None, BeforeValidator(_empty_is_none)]
    """Where the server is ("vosk-server", "funasr")."""
    server_rate: Literal[8000, 16000]
    """Samples per second that a vosk-server's model wants."""
    phrases_path: OptionalPath
    """A file with names that are likely to be said, a line each."""
    only_phrases: bool
    """Nothing but these can be heard."""
    processes: Annotated[int, Field(ge=0)]
    """Processes that recognise ("vosk"); 0: one for each core."""
    threads: Annotated[int, Field(ge=1)]
    """Decoders at once in each of them."""
    process_memory_mb: Annotated[float, Field(gt=0)]
    """A process whose own memory grows beyond this is replaced."""
    watchdog_seconds: Seconds
    """A process that does not answer for so long is taken to hang, and replaced."""
    recycle_seconds: Seconds
    """A call's decoder is replaced after so much speech."""
    backlog_seconds: Seconds
    """How much of a stream's speech may wait for the engine."""
    lag_budget_seconds: Seconds
    """From this lag on streams are given up, and recognised afterwards."""
    by_line: NamesByText
    """Dialled number → the recogniser of its calls."""
    by_skill: NamesByText
    """Skill of a line → the recogniser of its calls, where the number says nothing."""
    vad: VadSettings
    """The voice detector."""
    recognisers: dict[Name, RecogniserSettings]
    """Further recognisers, by name."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        _check_recogniser(self)
        for name in (*self.by_line.values(), *self.by_skill.values()):
            if name not in self.recognisers:
                raise ValueError(f"a table asr.recognisers.{name}, as by_line or by_skill has it")
        return self


def _check_recogniser(settings: RecogniserSettings | AsrSettings) -> None:
    if settings.engine in {"vosk-server", "funasr"} and settings.url is None:
        raise ValueError(f"a url with engine {settings.engine}")
    if settings.only_phrases and settings.phrases_path is None:
        raise ValueError("a phrases_path with only_phrases")


class RedisSettings(Section):
    """Shared state."""

    url: Annotated[RedisUrl | None, BeforeValidator(_empty_is_none)]
    """Where Redis is; None: the node starts its own."""
    prefix: Name
    """First part of every key."""


class MqttSettings(Section):
    """Events for others."""

    url: Annotated[MqttUrl | None, BeforeValidator(_empty_is_none)]
    """Where the broker is; None: the node starts its own, which speaks 3.1.1 only."""
    port: Port
    """TCP port of the broker of our own; a free one in its place if it is taken."""
    topic_prefix: Annotated[str, StringConstraints(pattern=r"^[^/+#\s][^+#\s]*$")]
    """First part of every topic."""
    protocol: Literal["5", "3.1.1"]
    """The version of MQTT that the broker at ``url`` is spoken to in."""


class DatabaseSettings(Section):
    """Call records, transcripts, tickets, accounts."""

    url: Annotated[DatabaseUrl | None, BeforeValidator(_empty_is_none)]
    """Where the database is; None: SQLite in the data directory."""


class WebSettings(Section):
    """The desktop and the API."""

    host: Text
    """Address on which browsers reach us."""
    port: Port
    """TCP port there."""
    metrics_allow: Networks
    """Networks from which Prometheus may scrape /metrics."""
    session_idle_seconds: Seconds
    """After so long without a request an agent must sign in again."""


class HandlingSettings(Section):
    """What becomes of submitted tickets."""

    working_days: WorkingDays
    """How many working days a unit has."""
    working_days_by_type: DaysByName
    """The same for tickets of some types."""
    working_days_by_urgency: DaysByName
    """The same for tickets of some urgencies; wins over the type's."""
    holidays: Days
    """Days not worked, beyond the State Council's list."""
    workdays: Days
    """Days worked although they are a weekend or on that list."""
    webhook_url: Annotated[HttpUrl | None, BeforeValidator(_empty_is_none)]
    """Where another platform is told of every step; None: nobody is."""
    webhook_secret: Annotated[SecretStr | None, BeforeValidator(_empty_is_none)]
    """Signs that: whsec_ and base64."""

    @model_validator(mode="after")
    def _signed(self) -> Self:
        if self.webhook_url is not None and self.webhook_secret is None:
            raise ValueError("webhook_secret as well when webhook_url is set")
        if both := set(self.holidays) & set(self.workdays):
            days = ", ".join(sorted(day.isoformat() for day in both))
            raise ValueError(f"holidays and workdays without a day in both: {days}")
        return self


class RetentionSettings(Section):
    """How many days what is kept; 0: for ever."""

    recordings_days: KeptDays
    """Recordings."""
    transcripts_days: KeptDays
    """What was said."""
    personal_days: KeptDays
    """Callers' numbers, and the personal fields of tickets that have ended."""
    audit_days: Annotated[int, Field(ge=0)]
    """The trail of views, exports and changes; at least 180 (网络安全法 §21), or 0."""

    @model_validator(mode="after")
    def _long_enough(self) -> Self:
        if 0 < self.audit_days < 180:  # noqa: PLR2004 - six months
            raise ValueError("audit_days 0 or at least 180 (网络安全法 §21)")
        return self


class AgentSettings(Section):
    """Agents' states and accounts."""

    wrap_up_seconds: Seconds
    """Time for completing the ticket after a call."""
    reoffer_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    """An agent who refused a call is not offered another one for so long."""
    node_expiry_seconds: Seconds
    """A node that has not been heard of for so long is dead: its agents are freed."""
    wrap_up_extension_seconds: Seconds
    """What an agent who extends his wrap-up gets, once."""
    alone_seconds: Seconds
    """Who is ready without phone and desktop is not ready after so long."""
    ageing_seconds: Positive
    """What one point of a call's priority is worth in waiting."""
    seed: Numbers
    """Agents made at the first start."""
    seed_supervisors: Numbers
    """Supervisors made at the first start."""
    seed_inspectors: Numbers
    """Quality inspectors made at the first start."""
    seed_admins: Numbers
    """Administrators made at the first start."""
    seed_password: Annotated[SecretStr | None, BeforeValidator(_empty_is_none)]
    """The password of all of these; None: each gets one of his own."""


class TicketSettings(Section):
    """What tickets are made of."""

    categories: OptionalPath
    """The city's own category tree, TOML or CSV; None: the one that ships."""
    urgency_rules: OptionalPath
    """The city's own rules of what cannot wait (TOML); None: those that ship."""
    burst_tickets: Annotated[int, Field(ge=2)]
    """So many tickets of one category and place, of different callers, make each urgent."""
    burst_seconds: Seconds
    """Within so long."""
    gazetteer: OptionalPath
    """The city's names (CSV), put right where they were misheard; None: none."""
    knowledge: OptionalPath
    """The folder of the knowledge base, imported at each start; None: what was imported stays."""
    category_model: OptionalPath
    """The folder that ``python -m tickets train`` wrote; None: tickets are sorted by rules."""


class LogSettings(Section):
    """The program's log."""

    level: Literal["debug", "info", "warning", "error"]
    """The least important entries that are still written."""
    format: Literal["console", "json"]
    """For people or for machines."""


class Settings(Section):
    """Everything that can be set."""

    node: NodeSettings
    sip: SipSettings
    tls: TlsSettings
    trunks: dict[Name, TrunkSettings]
    numbers: NumberSettings
    abuse: AbuseSettings
    lines: dict[Number, LineSettings]
    partners: dict[Name, PartnerSettings]
    experts: dict[Name, ExpertSettings]
    """Specialists whom agents pull into calls."""
    exchange: ExchangeSettings
    dialing: DialingSettings
    media: MediaSettings
    recording: RecordingSettings
    asr: AsrSettings
    redis: RedisSettings
    mqtt: MqttSettings
    database: DatabaseSettings
    web: WebSettings
    agents: AgentSettings
    routing: RoutingSettings
    handling: HandlingSettings
    retention: RetentionSettings
    tickets: TicketSettings
    waiting: WaitingSettings
    rating: RatingSettings
    call_back: CallBackSettings
    log: LogSettings


def load(path: Path | None, env: Mapping[str, str]) -> Settings:
    """Read the settings.

    Args:
        path: the operator's file (``--config``); None: the one ``HOTLINE_CONFIG`` names, if any.
        env: the environment variables.

    Raises:
        ConfigError: a file cannot be read, an option is unknown, or a value is wrong. All problems
            are reported at once, each with its key, what was found, what is wanted, and the file
            or variable it came from.
    """
    if path is None and env.get("HOTLINE_CONFIG"):
        path = Path(env["HOTLINE_CONFIG"])
    layered = read_layers(DEFAULTS, path, env)
    try:
        return Settings.model_validate(layered.values)
    except ValidationError as error:
        raise ConfigError(explain(error, layered, Settings)) from error
