"""The SIP side of a node: who may call, who is registered, and every live leg."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, Literal

from telephony.bindings import Binding, BindingStore
from telephony.leg import Address, Leg, LegEvent


class CredentialStore(Protocol):
    """Where the digest secrets of phones are (RFC 7616 §3.4.2)."""

    async def ha1(self, username: str, algorithm: Literal["MD5", "SHA-256"]) -> str | None:
        """Return hex H(username:realm:password), or None for an unknown user."""
        ...


class SipGateway:
    """One UDP port: trunk calls in, registrations, calls out to phones.

    Args:
        trunks: addresses (CIDR) whose INVITEs are citizens' calls.
        realm: the digest realm.
        credentials: the phones' secrets.
        bindings: the registered phones; an AOR is the user part alone ("1001").
        on_call: a citizen's call came in; the owner sets ``leg.on_event`` before returning.
        advertised: what goes into Via and Contact; default the bound address.
        on_registered: (aor, number of phones) after each registration, un-registration and expiry.
        user_agent: for the Server and User-Agent headers.
        nonce_secret: shared by the nodes of a cluster; default a random one.
    """

    legs: Mapping[str, Leg]

    def __init__(
        self,
        *,
        trunks: Sequence[str],
        realm: str,
        credentials: CredentialStore,
        bindings: BindingStore,
        on_call: Callable[[Leg], None],
        advertised: Address | None = None,
        on_registered: Callable[[str, int], None] | None = None,
        user_agent: str = "hotline12345",
        nonce_secret: bytes | None = None,
    ) -> None:
        raise NotImplementedError

    async def open(self, host: str, port: int) -> None:
        """Bind the UDP port (0: any). Raises OSError when it is taken."""
        raise NotImplementedError

    async def close(self) -> None:
        """Hang up every leg, wait (bounded) for the answers, close the port."""
        raise NotImplementedError

    def invite(
        self,
        binding: Binding,
        *,
        sdp: str,
        caller: str | None,
        display: str | None,
        called: str,
        on_event: Callable[[LegEvent], None],
        headers: Mapping[str, str] = {},
    ) -> Leg:
        """Call a registered phone. No event fires before this has returned."""
        raise NotImplementedError

    def call(
        self,
        uri: str,
        destination: Address,
        *,
        sdp: str,
        caller: str | None,
        on_event: Callable[[LegEvent], None],
        credentials: tuple[str, str] | None = None,
    ) -> Leg:
        """Call any SIP URI at an address; (user, password) answer a challenge."""
        raise NotImplementedError

    def counts(self) -> dict[str, int]:
        """Return how many ``legs``, ``dialogs`` and ``transactions`` are alive."""
        raise NotImplementedError
