"""The settings: one frozen object, read and checked once, at start.

``load()`` lays three layers over each other: ``config/default.toml``, which gives every option its
default; the operator's file; and ``HOTLINE_SECTION__OPTION`` variables. The models, one module for
each topic, say what each option means and which values it takes. They hold no defaults, so
default.toml and the models cannot disagree: an option that is missing from one of them fails every
load.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from config.agents import AgentSettings
from config.asr import AsrSettings
from config.directory import DialingSettings, LineSettings, PartnerSettings
from config.errors import ConfigError
from config.exchange import ExchangeSettings
from config.experts import ExpertSettings
from config.explain import explain
from config.layers import read_layers
from config.media import MediaSettings, RecordingSettings
from config.routing import RoutingSettings
from config.section import Section
from config.servers import DatabaseSettings, MqttSettings, RedisSettings, WebSettings
from config.sip import AbuseSettings, SipSettings, TlsSettings
from config.tickets import HandlingSettings, RetentionSettings, TicketSettings
from config.trunks import NumberSettings, TrunkSettings
from config.values import Name, Number, Seconds
from config.waiting import CallBackSettings, RatingSettings, WaitingSettings

__all__ = ["ConfigError", "Settings", "load"]

DEFAULTS = Path(__file__).with_name("default.toml")


class NodeSettings(Section):
    """This node itself."""

    id: Name
    """Names this node among several; must differ on each."""
    data_dir: Path
    """Where everything is kept that outlives a call."""
    stop_seconds: Seconds
    """How long stopping waits for calls to be hung up and results to be written."""


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
