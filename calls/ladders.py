"""The SIP ladders of calls: whole from the ring while it has them, then in short from the record.

A call's legs are tied to it as they are made. Some seconds after the call's end, when the last BYE
has been answered, the short form is written to its record.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from calls.records import CallRecords
from eventbus.bus import EventBus
from eventbus.catalogue import CallEnded, Event
from telephony.sip.ladder import Rung
from telephony.sip.name_addr import host_port
from telephony.witness import Seen, Wire

SETTLE_SECONDS: Final = 5.0
CALLS_OPEN: Final = 20_000
"""Calls under way whose ties are kept."""
CALLS_TIED: Final = 1000
"""Finished calls whose ties are kept: about as many as the ring has; others have their record."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """A call's messages in the order of time.

    Attributes:
        rungs: each in short.
        texts: each whole, credentials taken out; empty when only the record is left.
    """

    rungs: Sequence[Rung]
    texts: Sequence[str]


class Ladders:
    """Finds and keeps them.

    Args:
        bus: where calls end.
        wire: the ring.
        records: where the short form goes.
        settle_seconds: between a call's end and that.
    """

    def __init__(
        self,
        *,
        bus: EventBus,
        wire: Wire,
        records: CallRecords,
        settle_seconds: float = SETTLE_SECONDS,
    ) -> None:
        self._wire = wire
        self._records = records
        self._settle_seconds = settle_seconds
        self._ties: OrderedDict[str, list[str]] = OrderedDict()
        self._finished: OrderedDict[str, list[str]] = OrderedDict()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._unsubscribe = bus.subscribe(self._on_event, own_only=True)

    def close(self) -> None:
        """Write what still waits, and stop."""
        self._unsubscribe()
        for call_id in list(self._timers):
            self._keep(call_id)

    def tie(self, call_id: str, sip_call_id: str) -> None:
        """Note that a SIP dialog (its Call-ID) belongs to a call."""
        tied = self._finished.get(call_id)
        if tied is None:
            tied = self._ties.setdefault(call_id, [])
            self._wire.hold(sip_call_id)
        if sip_call_id not in tied:
            tied.append(sip_call_id)
        while len(self._ties) > CALLS_OPEN:  # a click whose phone nobody answered has no end
            self._let_go(self._ties.popitem(last=False)[1])

    async def of(self, call_id: str) -> Ladder | None:
        """Return a call's ladder; None when there is no such call, or nothing is known of it."""
        seen = self._seen(call_id)
        if seen:
            return Ladder([_rung(one) for one in seen], [_text(one) for one in seen])
        kept = await self._records.ladder(call_id)
        return Ladder([Rung.from_dict(values) for values in kept], ()) if kept else None

    def _on_event(self, event: Event) -> None:
        call_id = event.call_id
        if isinstance(event, CallEnded) and call_id is not None and call_id in self._ties:
            loop = asyncio.get_running_loop()
            self._timers[call_id] = loop.call_later(self._settle_seconds, self._keep, call_id)

    def _keep(self, call_id: str) -> None:
        self._timers.pop(call_id).cancel()
        seen = self._seen(call_id)
        self._records.change(call_id, ladder=[_rung(one).to_dict() for one in seen])
        if tied := self._ties.pop(call_id, None):
            self._let_go(tied)
            self._finished[call_id] = tied
            if len(self._finished) > CALLS_TIED:
                self._finished.popitem(last=False)

    def _let_go(self, sip_call_ids: Sequence[str]) -> None:
        for sip_call_id in sip_call_ids:
            self._wire.let_go(sip_call_id)

    def _seen(self, call_id: str) -> Sequence[Seen]:
        return self._wire.of(self._ties.get(call_id) or self._finished.get(call_id) or ())


def _rung(seen: Seen) -> Rung:
    peer = f"{host_port(seen.hop.address)}/{seen.hop.transport}"
    return Rung.read(seen.data, at=seen.at, inbound=seen.inbound, peer=peer)


def _text(seen: Seen) -> str:
    return seen.data.decode("utf-8", errors="replace")
