"""How the whole is, for people: nodes, trunks, phones, processes, recognisers, and what is wrong.

Nothing is measured for it: it puts together what the parts know of themselves.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Protocol

from telephony.sip.registrar import Binding
from telephony.trunks.service import TrunkStatus

MOST_PHONES: Final = 300
"""Of so many agents the phones are named; ``phones`` counts the agents of all."""
PATIENCE_SECONDS: Final = 3.0
"""A part that does not answer for so long is left out."""


class Child(Protocol):
    """A process of the node's."""

    @property
    def state(self) -> str: ...  # noqa: D102 - the names say it
    @property
    def restarts(self) -> int: ...  # noqa: D102
    @property
    def pid(self) -> int | None: ...  # noqa: D102


class Bindings(Protocol):
    """Who is registered."""

    async def aors(self) -> list[str]:
        """Return the addresses-of-record with a live binding."""

    async def lookup(self, aor: str) -> list[Binding]:
        """Return an address-of-record's live bindings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """Puts the picture together.

    Args:
        node: this one's name.
        health: the node's report.
        nodes: every node → seconds since it has last shown that it lives.
        expiry_seconds: who has not for so long is dead.
        trunks: how every trunk is.
        bindings: who is registered.
        children: the node's processes, by name.
        recognisers: each recogniser → its state and why.
        loads: each recogniser → its figures.
        clock: Unix seconds.
    """

    node: str
    health: Callable[[], Awaitable[Mapping[str, Any]]]
    nodes: Callable[[], Mapping[str, float]]
    expiry_seconds: float
    trunks: Callable[[], list[TrunkStatus]]
    bindings: Bindings
    children: Mapping[str, Child]
    recognisers: Callable[[], Mapping[str, tuple[str, str | None]]]
    loads: Callable[[], Awaitable[Mapping[str, Mapping[str, int]]]]
    clock: Callable[[], float] = time.time

    async def __call__(self) -> dict[str, Any]:
        """Return it; ``web/schemas_system.py`` describes the fields."""
        report, (phones, bindings), loads = await asyncio.gather(
            self.health(), _or_nothing(self._phones(), (0, [])), _or_nothing(self.loads(), {})
        )
        return {
            "at": self.clock(),
            "node": self.node,
            "status": report["status"],
            "counts": report["counts"],
            "parts": [{"name": name, **part} for name, part in report["parts"].items()],
            "alarms": [
                {"part": name, **part}
                for name, part in report["parts"].items()
                # what somebody has switched off is no alarm
                if part["status"] not in {"ok", "off"}
                or (part["detail"] and part["status"] == "ok")
            ],
            "nodes": [
                {
                    "name": name,
                    "here": name == self.node,
                    "silent_seconds": round(silent, 1),
                    "alive": silent < self.expiry_seconds,
                }
                for name, silent in sorted(self.nodes().items())
            ],
            "processes": [
                {"name": name, "state": one.state, "pid": one.pid, "restarts": one.restarts}
                for name, one in self.children.items()
            ],
            "trunks": [asdict(trunk) for trunk in self.trunks()],
            "phones": phones,
            "registrations": bindings,
            "recognisers": [
                {
                    "name": name or "usual",
                    "status": status,
                    "detail": detail,
                    **_figures(loads.get(name, {})),
                }
                for name, (status, detail) in self.recognisers().items()
            ],
        }

    async def _phones(self) -> tuple[int, list[dict[str, Any]]]:
        aors = await self.bindings.aors()
        found = await asyncio.gather(*(self.bindings.lookup(aor) for aor in aors[:MOST_PHONES]))
        listed = [
            {
                "agent_id": aor,
                "address": binding.received[0],
                "transport": binding.transport,
                "expires_at": binding.expires_at,
            }
            for aor, bindings in zip(aors, found, strict=False)
            for binding in bindings
        ]
        return len(aors), listed


def _figures(load: Mapping[str, int]) -> dict[str, int | None]:
    names = ("streams", "lag_ms", "shed_streams", "shed_partials")
    return {name: load.get(name) for name in names}


async def _or_nothing(work: Awaitable[Any], nothing: Any) -> Any:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await work
    except (TimeoutError, OSError):
        return nothing
