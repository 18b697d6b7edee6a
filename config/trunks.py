"""The settings of trunks, and of how numbers are written."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, model_validator

from config.section import Section
from config.values import HostPort, Name, Networks, OptionalText, Rank, Rules, empty_is_none


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
    user: Annotated[Name | None, BeforeValidator(empty_is_none)] = None
    """Our account there; None: it knows us by our address."""
    password: Annotated[SecretStr | None, BeforeValidator(empty_is_none)] = None
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
