"""Registered phones: who can be reached where, until when. A port and its two adapters."""

from typing import Protocol

from telephony.sip.registrar import Binding

__all__ = ["Binding", "BindingStore"]


class BindingStore(Protocol):
    """Where bindings are kept. An AOR is the user part alone ("1001"). Expired ones are never told."""

    async def save(self, aor: str, binding: Binding) -> None:
        """Add or renew a binding; an older one of the same Call-ID (by CSeq) never replaces a newer."""
        ...

    async def remove(self, aor: str, contact: str) -> None:
        """Remove the binding of that Contact URI, if there is one."""
        ...

    async def lookup(self, aor: str) -> list[Binding]:
        """Return the live bindings, best (highest q, then newest) first."""
        ...

    async def count(self) -> int:
        """Return how many live bindings there are."""
        ...
