"""The carriers' addresses: whose INVITEs are citizens' calls."""

import ipaddress
from collections.abc import Sequence


class Trunks:
    """An allow list.

    Args:
        networks: CIDR notation ("10.3.0.0/24"), or single addresses; the first that matches counts.

    Raises:
        ValueError: one of them is no network; the message names it.
    """

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks = [(name, ipaddress.ip_network(name)) for name in networks]

    def find(self, host: str) -> str | None:
        """Return the entry that a numeric address belongs to, None for a stranger."""
        address = ipaddress.ip_address(host)
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped  # how a socket for both families shows IPv4 peers
        return next((name for name, network in self._networks if address in network), None)
