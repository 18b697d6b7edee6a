"""The floor as one node's shell: commands in, callbacks out, one timer."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, cast

import structlog
from typing_extensions import override

from agents.commands import Call, Command, CommandName, Engine, Reply, ignore
from agents.demand import ANYBODY, Want, pools_text, wants_text
from agents.floor import Floor, FloorTimes, Offer, Outcome, Stalled, Status
from agents.presence import Presence, Talk
from eventbus.tasks import end

_log = structlog.get_logger(__name__)

ProfileOf = Callable[[str], tuple[Mapping[str, int], str | None] | None]
"""Returns the pools with levels, and the group, of an agent who signs in; None: as they are."""

_REMEMBERED_OFFERS: Final = 1000
# A timer may fire a little early by the engine's clock.
_LATE: Final = 0.001


class NodeFloor(Floor):
    """A floor on any engine.

    Args:
        engine: executes the commands; opened by ``start``, closed by ``close``.
        node: this node's name.
        times: the floor's intervals.

    Attributes:
        profile_of: asked at each signing in; set it before ``start``.
    """

    def __init__(self, engine: Engine, *, node: str, times: FloorTimes) -> None:
        self.node = node
        self.on_offer: Callable[[Offer], None] = ignore
        self.on_presence: Callable[[Presence], None] = ignore
        self.on_status: Callable[[Status], None] = ignore
        self.profile_of: ProfileOf = lambda _agent_id: None
        self._engine = engine
        self._times = times
        # An offer may be heard of twice: by the wake-up, and by the sweep that mistrusts wake-ups.
        self._told: OrderedDict[tuple[str, int], None] = OrderedDict()
        self._watch: asyncio.Task[None] | None = None
        self._due_at: float | None = None
        self._sooner = asyncio.Event()

    @property
    @override
    def status(self) -> Status:
        return self._engine.status

    @override
    async def start(self) -> None:
        self._engine.on_reply = self._digest
        self._engine.on_status = self._status_changed
        await self._engine.open()
        self._watch = asyncio.create_task(self._keep_watch(), name=f"floor-{self.node}")

    @override
    async def close(self) -> None:
        await end(self._watch)
        await self._engine.close()

    @override
    async def sign_in(self, agent_id: str, *, now: float | None = None) -> Presence:
        profile = self.profile_of(agent_id)
        if profile is None:
            return await self._change("sign_in", now, agent_id=agent_id)
        pools, group = profile
        return await self._change(
            "sign_in", now, agent_id=agent_id, pools=pools_text(pools), group=group
        )

    @override
    async def sign_out(self, agent_id: str, *, now: float | None = None) -> Presence:
        return await self._change("sign_out", now, agent_id=agent_id)

    @override
    async def set_ready(self, agent_id: str, *, now: float | None = None) -> Presence:
        return await self._change("set_ready", now, agent_id=agent_id)

    @override
    async def set_not_ready(
        self, agent_id: str, reason: str, *, now: float | None = None
    ) -> Presence:
        return await self._change("set_not_ready", now, agent_id=agent_id, reason=reason)

    @override
    async def end_wrap_up(self, agent_id: str, *, now: float | None = None) -> Presence:
        return await self._change("end_wrap_up", now, agent_id=agent_id)

    @override
    async def extend_wrap_up(self, agent_id: str, *, now: float | None = None) -> Presence:
        return await self._change("extend_wrap_up", now, agent_id=agent_id)

    @override
    async def set_desktop(
        self, agent_id: str, *, connected: bool, now: float | None = None
    ) -> Presence | None:
        return cast(
            "Presence | None",
            await self._run("set_desktop", now, agent_id=agent_id, connected=connected),
        )

    @override
    async def set_pools(
        self,
        agent_id: str,
        pools: Mapping[str, int],
        group: str | None = None,
        *,
        now: float | None = None,
    ) -> Presence:
        return await self._change(
            "set_pools", now, agent_id=agent_id, pools=pools_text(pools), group=group
        )

    @override
    async def set_phones(self, agent_id: str, count: int, *, now: float | None = None) -> Presence:
        if count < 0:
            raise ValueError(f"an agent cannot have {count} phones")
        return await self._change("set_phones", now, agent_id=agent_id, count=count)

    @override
    async def enqueue(
        self,
        call_id: str,
        *,
        arrived_at: float,
        priority: int = 0,
        wanted: str | None = None,
        wants: Sequence[Want] = ANYBODY,
        now: float | None = None,
    ) -> None:
        await self._run(
            "enqueue",
            now,
            call_id=call_id,
            arrived_at=float(arrived_at),
            priority=priority,
            wanted=wanted,
            wants=wants_text(wants) if wanted is None else None,
        )

    @override
    async def position(self, call_id: str, *, now: float | None = None) -> int:
        return cast("int", await self._run("position", now, call_id=call_id))

    @override
    async def stalled(self, seconds: float, *, now: float | None = None) -> list[Stalled]:
        return cast("list[Stalled]", await self._run("stalled", now, seconds=float(seconds)))

    @override
    async def dequeue(self, call_id: str, *, now: float | None = None) -> None:
        await self._run("dequeue", now, call_id=call_id)

    @override
    async def ringing(self, offer: Offer, *, now: float | None = None) -> bool:
        return cast("bool", await self._run("ringing", now, **_lease(offer)))

    @override
    async def talking(self, offer: Offer, *, now: float | None = None) -> bool:
        return cast("bool", await self._run("talking", now, **_lease(offer)))

    @override
    async def set_talk(
        self, agent_id: str, call_id: str, talk: Talk | None, *, now: float | None = None
    ) -> None:
        await self._run("set_talk", now, agent_id=agent_id, call_id=call_id, talk=talk)

    @override
    async def set_wants(
        self, call_id: str, *, priority: int, wants: Sequence[Want], now: float | None = None
    ) -> None:
        await self._run(
            "set_wants", now, call_id=call_id, priority=priority, wants=wants_text(wants)
        )

    @override
    async def release(self, offer: Offer, outcome: Outcome, *, now: float | None = None) -> None:
        await self._run("release", now, **_lease(offer), outcome=outcome)

    @override
    async def finish(self, agent_id: str, call_id: str, *, now: float | None = None) -> None:
        await self._run("finish", now, agent_id=agent_id, call_id=call_id)

    @override
    async def beat(self, *, now: float | None = None) -> None:
        self._tell(await self._run("beat", now))

    @override
    async def presence(self, agent_id: str, *, now: float | None = None) -> Presence | None:
        return cast("Presence | None", await self._run("presence", now, agent_id=agent_id))

    @override
    async def everyone(self, *, now: float | None = None) -> list[Presence]:
        return cast("list[Presence]", await self._run("everyone", now))

    @override
    async def counts(self, *, now: float | None = None) -> dict[str, int]:
        return cast("dict[str, int]", await self._run("counts", now))

    async def _change(self, name: CommandName, now: float | None, **arguments: Any) -> Presence:
        return cast("Presence", await self._run(name, now, **arguments))

    async def _run(self, name: CommandName, now: float | None, **arguments: Any) -> Any:
        # (what it did is told by the engine, also when its caller loses interest: a closed HTTP
        # connection cancels the request)
        reply = await self._engine.execute(Command(name, arguments), now)
        if reply.refused is not None:
            raise reply.refused
        return reply.result

    def _status_changed(self, status: Status) -> None:
        self.on_status(status)

    def _digest(self, reply: Reply) -> None:
        """Tell the owner what happened, and note when something will."""
        for presence in reply.presences:
            self.on_presence(presence)
        self._tell({call.call_id: call for call in reply.calls}.values())
        if reply.due is None:
            self._due_at = None
            return
        due_at = asyncio.get_running_loop().time() + reply.due - reply.now + _LATE
        if self._due_at is None or due_at < self._due_at:
            self._sooner.set()
        self._due_at = due_at

    def _tell(self, calls: Iterable[Call]) -> None:
        """Hand over the offers of this node's calls, each once."""
        for call in calls:
            key = (call.call_id, call.token)
            if call.node != self.node or call.state != "offered" or key in self._told:
                continue
            self._told[key] = None
            if len(self._told) > _REMEMBERED_OFFERS:
                self._told.popitem(last=False)
            self.on_offer(call.offer())

    async def _keep_watch(self) -> None:
        """Beat when something is due, and sweep after each sweep interval.

        A busy floor has something due at every call: only a sweep looks records through.
        """
        loop = asyncio.get_running_loop()
        swept_at = loop.time()
        while True:
            self._sooner.clear()
            wake_at = swept_at + self._times.sweep
            if self._due_at is not None:
                wake_at = min(wake_at, self._due_at)
            try:
                async with asyncio.timeout_at(wake_at):
                    await self._sooner.wait()
            except TimeoutError:
                sweeps = loop.time() >= swept_at + self._times.sweep
                if sweeps:
                    swept_at = loop.time()
                await self._beat_anyhow(audit=sweeps)

    async def _beat_anyhow(self, *, audit: bool) -> None:
        try:
            self._tell(await self._run("beat", None, audit=audit))
        except Exception:  # noqa: BLE001 -- the task's outermost boundary
            # A callback's mistake must not stop the clock by which agents are freed.
            _log.exception("the floor's sweep failed", node=self.node)


def _lease(offer: Offer) -> dict[str, Any]:
    return {"call_id": offer.call_id, "agent_id": offer.agent_id, "token": offer.token}
