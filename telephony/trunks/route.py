"""One way to call a number: through which trunk, under which names."""

from dataclasses import dataclass, field

from telephony.sip.hop import Destination, default_port
from telephony.sip.name_addr import bracketed, escaped
from telephony.trunks.model import Trunk


@dataclass(frozen=True, slots=True)
class Route:
    """What an INVITE through a trunk needs.

    Attributes:
        trunk: its name.
        destination: where the INVITE is sent.
        uri: the Request-URI, and the To.
        caller: the number to show, as the trunk wants it; None: withheld.
        domain: the host part of the From, where the trunk wants its own; None: our address.
        credentials: (user, password) to answer a challenge with, or None.
    """

    trunk: str
    destination: Destination
    uri: str
    caller: str | None
    domain: str | None
    credentials: tuple[str, str] | None = field(default=None, repr=False)


def route_to(trunk: Trunk, destination: Destination, *, number: str, caller: str | None) -> Route:
    """Return the way to a number through a trunk, both numbers as our own side writes them."""
    account = trunk.account
    dialled = trunk.outbound.apply(number)
    domain = bracketed(trunk.uri_host)
    # A domain of its own is written as it is; else the address is, with its port.
    usual = trunk.domain or trunk.port == default_port(trunk.transport)
    host = domain if usual else f"{domain}:{trunk.port}"
    if trunk.transport != "UDP":
        host += f";transport={trunk.transport.lower()}"
    return Route(
        trunk=trunk.name,
        destination=destination,
        uri=f"sip:{escaped(dialled)}@{host}",
        caller=None if caller is None else trunk.outbound.apply(caller),
        domain=trunk.domain,
        credentials=None if account is None else (account.user, account.password),
    )
