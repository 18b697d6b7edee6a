"""The call-back list at work: what puts callers on it, and how agents call them back.

Callers come onto the list by this node's own events, and from the records of nodes that died.
Nothing here makes a call wait: entries are written in the background, again and again while the
database is away.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

import structlog
from sqlalchemy.exc import SQLAlchemyError

from calls.callback_store import CallBackStore
from calls.callbacks import (
    Attempted,
    CallBack,
    CallBackError,
    CallBackInput,
    CalledAgain,
    Closed,
    Missed,
    Outcome,
    QuietRule,
    Reason,
    Scheduled,
    Taken,
)
from calls.errors import TransferError
from calls.ledger import LONGEST_NUMBER
from calls.records import is_refused
from eventbus.bus import EventBus
from eventbus.catalogue import CallAnswered, CallArrived, CallBackChanged, CallEnded, Event
from eventbus.precedence import at_once
from eventbus.tasks import end
from eventbus.vital_signs import VitalSigns

log = structlog.get_logger(__name__)

_RETRY_SECONDS = 1.0
_LOST: dict[str, Reason] = {"abandoned": "abandoned", "failed": "failed"}


class ClickCall(Protocol):
    """Rings an agent's phone and then calls somebody; `calls.click_to_call.ClickToCall.call`."""

    async def __call__(
        self, agent_id: str, number: str, *, line: str, on_result: Callable[[bool | None], None]
    ) -> None:
        """Return when his phones are being called; ``on_result`` as `callbacks.Attempted`.

        Raises:
            TransferError: he cannot be called now; ``on_result`` is not told.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Automatic:
    """How entries are handed out by the system itself.

    Attributes:
        rule: when it is quiet.
        every_seconds: between two entries.
        allowed: whether it may be done at this hour.
        ready: the agents who are ready, the longest idle first.
        waiting: how many calls wait.
        note: writes to the audit trail: who, what, of which thing, and what belongs to it.
    """

    rule: QuietRule
    every_seconds: float
    allowed: Callable[[float], bool]
    ready: Callable[[], Awaitable[list[str]]]
    waiting: Callable[[], Awaitable[int]]
    note: Callable[[str, str, str, Mapping[str, Any]], None]


class CallBackDesk:
    """One node's hand on the list.

    Args:
        store: the list.
        bus: tells what becomes of this node's calls, and is told of changes of the list.
        node: this node.
        expiry_seconds: a node that has not been heard of for so long is dead.
        wall_clock: Unix seconds.
        automatic: None: entries are worked only when an agent wants it.
        hours: when citizens should be called ("08:30-20:00"); said to agents who promise a call.
        known_as: brings a number to the one form in which it stands on the list.
        give_way: awaited before something is written.

    Attributes:
        click: rings an agent's phone and then calls somebody; set before the first call.
    """

    click: ClickCall

    def __init__(
        self,
        store: CallBackStore,
        *,
        bus: EventBus,
        node: str,
        expiry_seconds: float,
        wall_clock: Callable[[], float],
        automatic: Automatic | None = None,
        hours: str = "",
        known_as: Callable[[str], str] = str,
        give_way: Callable[[], Awaitable[None]] = at_once,
    ) -> None:
        self.hours = hours
        self._known_as = known_as
        self._give_way = give_way
        self._store = store
        self._bus = bus
        self._node = node
        self._expiry = expiry_seconds
        self._signs = VitalSigns(expiry_seconds)
        self._wall_clock = wall_clock
        self._automatic = automatic
        self._calls: dict[str, tuple[str | None, str]] = {}  # of this node: number, line
        self._queue: asyncio.Queue[tuple[str | int, CallBackInput]] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []
        self._unsubscribe: Callable[[], None] = lambda: None

    async def start(self) -> None:
        """Put on the list whom this node's earlier life left, and follow events from now on."""
        await self._bury(self._node)
        self._unsubscribe = self._bus.subscribe(self._on_event, own_only=True)
        self._tasks = [
            asyncio.create_task(self._write(), name="call-back-writer"),
            asyncio.create_task(self._watch(), name="call-back-watch"),
        ]
        if self._automatic is not None:
            task = asyncio.create_task(self._hand_out(self._automatic), name="call-back-quiet")
            self._tasks.append(task)

    async def close(self) -> None:
        """Write what is queued, as far as the database allows, and stop."""
        self._unsubscribe()
        if self._tasks:
            try:
                async with asyncio.timeout(_RETRY_SECONDS * 3):
                    await self._queue.join()
            except TimeoutError:
                log.error("call_backs_lost", count=self._queue.qsize())  # noqa: TRY400 - no trace
        for task in self._tasks:
            await end(task)
        try:
            await self._store.forget(self._node)
        except (SQLAlchemyError, OSError) as error:
            log.info("beat_not_forgotten", error=str(error))

    # -- who comes onto the list -------------------------------------------------------------------

    def missed(self, call_id: str, number: str | None, line: str, reason: Reason) -> None:
        """Put a caller on the list; one who withholds his number cannot be called back."""
        if number:
            number = self._known_as(number)[:LONGEST_NUMBER]
            self._queue.put_nowait((number, Missed(number, line, reason, call_id)))

    async def flush(self) -> None:
        """Return when all that was told is written."""
        await self._queue.join()

    def _on_event(self, event: Event) -> None:
        match event:
            case CallArrived(call_id=str(call_id)):
                self._calls[call_id] = event.caller, event.line
            case CallAnswered() if event.caller and event.transferred_by is None:
                self._queue.put_nowait((self._known_as(event.caller), CalledAgain()))
            case CallEnded(call_id=str(call_id)):
                number, line = self._calls.pop(call_id, (None, ""))
                if event.outcome in _LOST:
                    self.missed(call_id, number, line, _LOST[event.outcome])
            case _:
                pass

    async def _write(self) -> None:
        while True:
            key, event = await self._queue.get()
            await self._give_way()
            while not await self._written(key, event):  # noqa: ASYNC110 - nobody tells of its return
                await asyncio.sleep(_RETRY_SECONDS)
            self._queue.task_done()

    async def _written(self, key: str | int, event: CallBackInput) -> bool:
        """Change an entry, by number or id; False: the database is away."""
        now = self._wall_clock()
        try:
            if isinstance(event, Missed):
                self._tell(await self._store.missed(event, now=now))
            elif isinstance(key, str):
                if (changed := await self._store.of_number(key, event, now=now)) is not None:
                    self._tell(changed)
            else:
                self._tell(await self._store.change(key, event, now=now))
        except CallBackError as error:
            log.warning("call_back_unchanged", reason=error.code)
        except (SQLAlchemyError, OSError) as error:
            if not is_refused(error):
                log.warning("call_back_not_written", error=str(error))
                return False
            # What the database will never take must not hold up whoever stands behind it.
            log.error("call_back_refused", error=str(error))  # noqa: TRY400 - it says all
        except Exception:
            # The outermost boundary of this task: one entry must not end the list.
            log.exception("call_back_failed")
        return True

    def _tell(self, changed: tuple[int, CallBack]) -> None:
        entry_id, entry = changed
        self._bus.publish(
            CallBackChanged(
                at=self._wall_clock(),
                agent_id=entry.agent_id,
                call_id=entry.call_id,
                callback=entry_id,
                number=entry.number,
                line=entry.line,
                reason=entry.reason,
                status=entry.status,
                calls=entry.calls,
                attempts=entry.attempts,
                outcome=entry.outcome,
            )
        )

    # -- nodes that died ---------------------------------------------------------------------------

    def nodes(self) -> dict[str, float]:
        """Return every node, and how many seconds ago it has last shown that it lives."""
        return self._signs.silent(asyncio.get_running_loop().time())

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                beats = await self._store.beat(self._node, now=self._wall_clock())
                for node in self._signs.look(beats, loop.time()):
                    if node != self._node:
                        await self._bury(node)
            except (SQLAlchemyError, OSError, CallBackError) as error:
                # (CallBackError: other nodes bury the same one, and were quicker each time)
                log.warning("nodes_not_watched", error=str(error))
                # the others may not have been able to beat either
                self._signs = VitalSigns(self._expiry)
            except Exception:  # the task's outermost boundary: it watches on
                log.exception("nodes_not_watched")
            await asyncio.sleep(self._expiry / 4)

    async def _bury(self, node: str) -> None:
        """Put a dead node's callers on the list, then end their records: safe to repeat."""
        now = self._wall_clock()
        for call in await self._store.orphans(node):
            if number := call["caller"]:
                event = Missed(self._known_as(number), call["line"], "failed", call["call_id"])
                self._tell(await self._store.missed(event, now=now))
        ended = await self._store.end_orphans(node, now=now)
        for call_id in ended:
            told = {"outcome": "failed", "ended_by": "system", "talked": 0.0}
            self._bus.publish(CallEnded(at=now, call_id=call_id, **told))  # type: ignore[arg-type]
        await self._store.forget(node)
        if ended:
            log.warning("calls_of_a_dead_node", node=node, ended=len(ended))

    # -- working the list --------------------------------------------------------------------------

    async def list_(
        self, *, status: str | None = None, limit: int = 50, offset: int = 0
    ) -> list[dict[str, Any]]:
        """Return entries: open ones by when they are due, else the newest first."""
        return await self._store.list_(status=status, limit=limit, offset=offset)

    async def get(self, entry_id: int) -> dict[str, Any] | None:
        """Return an entry, or None."""
        return await self._store.get(entry_id)

    async def schedule(self, promise: Scheduled) -> dict[str, Any]:
        """Put a promised call on the list; an open entry of the number becomes it.

        Raises:
            CallBackError: ``taken``: he is being called now; ``promised``: another agent's promise
                is not due yet.
        """
        promise = replace(promise, number=self._known_as(promise.number))
        changed = await self._store.schedule(promise, now=self._wall_clock())
        self._tell(changed)
        return {"id": changed[0], **asdict(changed[1])}

    async def call(self, entry_id: int, *, agent_id: str) -> None:
        """Let an agent call somebody back: his own phone rings first.

        Raises:
            CallBackError: the entry is being called, or closed, or there is none.
            TransferError: the agent cannot be called now.
        """
        taken = await self._store.change(entry_id, Taken(agent_id), now=self._wall_clock())
        self._tell(taken)

        def on_result(reached: bool | None) -> None:  # noqa: FBT001 - one value, by position
            self._queue.put_nowait((entry_id, Attempted(reached)))

        try:
            await self.click(agent_id, taken[1].number, line=taken[1].line, on_result=on_result)
        except BaseException:
            on_result(None)
            raise

    async def finish(
        self, entry_id: int, *, agent_id: str, outcome: Outcome, note: str | None
    ) -> None:
        """Close an entry by hand.

        Raises:
            CallBackError: it is closed, or there is none.
        """
        event = Closed(outcome, agent_id, note)
        self._tell(await self._store.change(entry_id, event, now=self._wall_clock()))

    async def counts(self) -> dict[str, int]:
        """Return how many entries are open and being called, and how many wait to be written."""
        return {**await self._store.counts(), "unwritten": self._queue.qsize()}

    async def _hand_out(self, automatic: Automatic) -> None:
        while True:
            await asyncio.sleep(automatic.every_seconds)
            try:
                await self.hand_out_one(automatic)
            except (SQLAlchemyError, OSError) as error:
                log.warning("call_back_not_handed_out", error=str(error))
            except Exception:  # the task's outermost boundary: the next turn comes
                log.exception("call_back_not_handed_out")

    async def hand_out_one(self, automatic: Automatic) -> int | None:
        """Hand the next entry to the agent who has been ready longest, if it is quiet.

        A promised call goes to the agent who promised it, if he is ready.

        Return the entry, or None.
        """
        now = self._wall_clock()
        if not automatic.allowed(now):
            return None
        ready = await automatic.ready()
        if not automatic.rule.is_quiet(ready=len(ready), waiting=await automatic.waiting()):
            return None
        found = await self._store.next_due(now=now)
        if found is None:
            return None
        entry_id, promised_by = found
        try:
            agent_id = promised_by if promised_by in ready else ready[0]
            await self.call(entry_id, agent_id=agent_id)
        except (CallBackError, TransferError) as error:  # another node was quicker
            log.info("call_back_not_handed_out", reason=error.code)
            return None
        automatic.note("system", "callback.offer", str(entry_id), {"agent_id": agent_id})
        return entry_id
