"""Registered phones: who can be reached where, until when. A port, and a node's own memory."""

import time
from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from telephony.sip.registrar import Binding

__all__ = ["Binding", "BindingStore", "Changed", "MemoryBindings"]


class Changed(NamedTuple):
    """What became of a change to many bindings.

    Attributes:
        aors: the addresses-of-record whose bindings may have changed.
        whole: whether all was done; False: the rest could not be done now.
    """

    aors: list[str]
    whole: bool = True


class BindingStore(Protocol):
    """Where bindings are kept. An AOR is the user part alone ("1001"). The expired are not told."""

    async def save(self, aor: str, binding: Binding) -> None:
        """Add or renew; one of the same Call-ID and a lower CSeq never replaces a newer one."""
        ...

    async def remove(self, aor: str, contact: str) -> None:
        """Remove the binding of that Contact URI, if there is one."""
        ...

    async def end(self, over: Callable[[Binding], bool]) -> Changed:
        """Remove all live bindings that are over. One that is renewed meanwhile stays."""
        ...

    async def restore(self) -> Changed:
        """Save again what came over living connections of this node and is registered no longer.

        Not a phone that has registered from elsewhere since.
        """
        ...

    async def lookup(self, aor: str) -> list[Binding]:
        """Return the live bindings, best (highest q, then newest) first."""
        ...

    async def count(self) -> int:
        """Return how many live bindings there are."""
        ...

    async def aors(self) -> list[str]:
        """Return the addresses-of-record that have a live binding, in order."""
        ...

    async def lapsed(self, since: float, until: float) -> list[str] | None:
        """Return whose bindings (one at least) expired after ``since``, up to ``until``.

        None: that is not known now.
        """
        ...


def _is_overtaken(binding: Binding, known: Binding | None) -> bool:
    return known is not None and known.call_id == binding.call_id and known.cseq > binding.cseq


class MemoryBindings:
    """A node's own memory.

    Args:
        clock: Unix seconds.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._bindings: dict[str, dict[str, Binding]] = {}

    async def save(self, aor: str, binding: Binding) -> None:
        """See `BindingStore`."""
        self.put(aor, binding)

    def put(self, aor: str, binding: Binding) -> bool:
        """Save; False when the binding was overtaken."""
        known = self._bindings.setdefault(aor, {})
        if _is_overtaken(binding, known.get(binding.contact_uri)):
            return False
        known[binding.contact_uri] = binding
        return True

    async def remove(self, aor: str, contact: str) -> None:
        """See `BindingStore`."""
        self.drop(aor, contact)

    def drop(self, aor: str, contact: str) -> None:
        """Remove, if it is there."""
        if known := self._bindings.get(aor):
            known.pop(contact, None)

    async def end(self, over: Callable[[Binding], bool]) -> Changed:
        """See `BindingStore`."""
        ended = [key for key, binding in self.everything().items() if over(binding)]
        for aor, contact in ended:
            self.drop(aor, contact)
        return Changed(sorted({aor for aor, _ in ended}))

    async def restore(self) -> Changed:
        """See `BindingStore`: nobody else removes anything here."""
        return Changed([])

    def replace(self, aor: str, bindings: Iterable[Binding]) -> None:
        """Make these the only bindings of an AOR."""
        self._bindings[aor] = {binding.contact_uri: binding for binding in bindings}
        self.live(aor)

    async def lookup(self, aor: str) -> list[Binding]:
        """See `BindingStore`."""
        return self.live(aor)

    def live(self, aor: str) -> list[Binding]:
        """Return the live bindings, best first, and forget the expired ones."""
        now = self._clock()
        known = self._bindings.pop(aor, {})
        if live := {uri: binding for uri, binding in known.items() if binding.expires_at > now}:
            self._bindings[aor] = live
        return sorted(live.values(), key=lambda binding: (-binding.q, -binding.expires_at))

    async def count(self) -> int:
        """See `BindingStore`."""
        return len(self.everything())

    async def aors(self) -> list[str]:
        """See `BindingStore`."""
        return sorted({aor for aor, _ in self.everything()})

    async def lapsed(self, since: float, until: float) -> list[str] | None:
        """See `BindingStore`."""
        ends = (
            (aor, one.expires_at) for aor in self._bindings for one in self._bindings[aor].values()
        )
        return sorted({aor for aor, end in ends if since < end <= until})

    def everything(self) -> dict[tuple[str, str], Binding]:
        """Return all live bindings by AOR and Contact URI."""
        return {
            (aor, binding.contact_uri): binding
            for aor in list(self._bindings)
            for binding in self.live(aor)
        }
