"""A call that an agent makes with one click: his own phone rings first, then the other is called.

What follows is an agent's own call like any other (`calls.agent_calls`), but for its caller having
been answered before it begins.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

import structlog

from agents.presence import State
from calls.agent_calls import AgentCalls
from calls.audio import CallAudio
from calls.errors import TransferError
from calls.facilities import Facilities
from calls.hearing import CALLER
from calls.owner import CallOwner
from calls.targets import NumberTarget
from telephony.bindings import Binding
from telephony.leg import Leg, LegAnswered, LegEnded, LegEvent
from telephony.media_commands import MediaError
from telephony.sip.offer_answer import SdpError, parse_audio

log = structlog.get_logger(__name__)

OnResult = Callable[[bool | None], None]
"""Told once: he was reached; he was not; or (None) he was not even called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clicked:
    """An agent's own call whose phone has been answered.

    Attributes:
        call_id: the call.
        agent_id: who calls.
        leg: his phone's.
        audio: with his session.
        number: whom he calls.
        line: the number that is shown to whom he calls.
    """

    call_id: str
    agent_id: str
    leg: Leg
    audio: CallAudio
    number: str
    line: str


class Begin(Protocol):
    """Begins a call; `CallService` does."""

    def __call__(self, clicked: Clicked, target: NumberTarget) -> CallOwner:
        """Return its owner, started."""


class ClickToCall:
    """One node's.

    Args:
        facilities: what calls work with.
        agents: keeps other calls away from the agent meanwhile.
        begin: begins the call.
        new_id: returns a new call's id.

    Attributes:
        while_not_ready: whether an agent who has taken a break may call.
    """

    def __init__(
        self,
        *,
        facilities: Facilities,
        agents: AgentCalls,
        begin: Begin,
        new_id: Callable[[], str],
    ) -> None:
        self._f = facilities
        self._agents = agents
        self._begin = begin
        self._new_id = new_id
        self._results: dict[str, OnResult] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._ringing: set[_Answered] = set()
        self._closed = False
        self.while_not_ready = True

    async def call(self, agent_id: str, number: str, *, line: str, on_result: OnResult) -> None:
        """Call an agent, and when he has picked up a number; returns while his phones ring.

        Raises:
            TransferError: ``target_not_ready``: he talks or wraps up, has no phone, or is not ready
                where that is not allowed; ``media_away``.
        """
        bindings = await self._f.bindings.lookup(agent_id)
        presence = await self._f.floor.presence(agent_id)
        free = presence is not None and presence.call_id is None
        resting = presence is not None and presence.state is not State.READY
        if resting and not self.while_not_ready:
            raise TransferError("target_not_ready")
        if self._closed or not bindings or not free or self._agents.calls_out(agent_id):
            raise TransferError("target_not_ready")
        call_id = self._new_id()
        audio = CallAudio(
            call_id,
            media=self._f.media,
            host=self._f.media_host,
            recordings=self._f.recordings,
            policy=self._f.audio,
            music=self._f.music,
        )
        ringing = _Ringing(call_id, agent_id, number, line, audio)
        self._agents.began(agent_id)  # from here on no offer comes between
        try:
            await self._ring(ringing, bindings)
        except BaseException as error:
            await self._give_up(ringing)
            if isinstance(error, MediaError):
                raise TransferError("media_away") from error
            raise
        self._ringing.add(ringing.answered)
        self._spawn(self._go_on(ringing, on_result))

    async def _ring(self, ringing: "_Ringing", bindings: Sequence[Binding]) -> None:
        """Keep other calls away from the agent, and call his phones."""
        agent_id, audio, legs = ringing.agent_id, ringing.audio, ringing.legs
        ringing.paused = await self._agents.pause(agent_id)
        presence = await self._f.floor.presence(agent_id)
        if presence is None or presence.call_id is not None:  # another node's call was quicker
            raise TransferError("target_not_ready")
        await audio.open(CALLER)
        for binding in bindings:
            kind = self._f.phone_audio(agent_id, binding)
            leg = self._f.gateway.invite(
                binding,
                sdp=audio.offer(CALLER, None, **kind),
                caller=ringing.number,
                display=ringing.line,
                called=agent_id,
                on_event=partial(_ringing, legs, len(legs), ringing.answered),
            )
            legs.append(leg)
            self._f.tie(ringing.call_id, leg.sip_call_id)

    async def _go_on(self, ringing: "_Ringing", on_result: OnResult) -> None:
        try:
            leg = await self._answered(ringing)
        except (TimeoutError, TransferError, MediaError, SdpError) as error:
            log.info("agent_not_called_back", agent_id=ringing.agent_id, reason=str(error))
            leg = None
        except Exception:  # the task's outermost boundary: the agent is let go all the same
            log.exception("agent_not_called_back", agent_id=ringing.agent_id)
            leg = None
        finally:
            self._ringing.discard(ringing.answered)
        if leg is None:
            await self._give_up(ringing)
            on_result(None)
            return
        self._results[ringing.call_id] = on_result
        clicked = Clicked(
            call_id=ringing.call_id,
            agent_id=ringing.agent_id,
            leg=leg,
            audio=ringing.audio,
            number=ringing.number,
            line=ringing.line,
        )
        self._begin(clicked, NumberTarget((ringing.number,)))
        self._agents.ended(ringing.agent_id)  # the call itself keeps others away now

    async def _answered(self, ringing: "_Ringing") -> Leg | None:
        """Return the phone that he picked up, the others silent; None: he hung up at once."""
        async with asyncio.timeout(self._f.no_answer_seconds):
            leg, sdp = await ringing.answered
        ringing.audio.signalled_from(CALLER, leg.source[0])
        await ringing.audio.answered(CALLER, parse_audio(sdp))
        for other in ringing.legs:
            if other is not leg:
                other.hang_up("answered elsewhere", cause=200)
        return None if leg.over else leg

    async def _give_up(self, ringing: "_Ringing") -> None:
        for leg in ringing.legs:
            leg.hang_up()
        await ringing.audio.close()
        self._agents.ended(ringing.agent_id)
        await self._agents.resume(ringing.agent_id, paused=ringing.paused)

    def on_answered(self, call_id: str) -> None:
        """Whom an agent called has answered."""
        if (on_result := self._results.pop(call_id, None)) is not None:
            on_result(True)  # noqa: FBT003 - one value, by position

    def on_finished(self, call_id: str) -> None:
        """An agent's own call is over."""
        if (on_result := self._results.pop(call_id, None)) is not None:
            on_result(False)  # noqa: FBT003 - one value, by position

    async def close(self) -> None:
        """Let phones ring no more, and call none from now on."""
        self._closed = True
        for answered in self._ringing:
            if not answered.done():
                answered.set_exception(TransferError("target_not_ready"))
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="click-to-call")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


_Answered = asyncio.Future[tuple[Leg, str]]
"""The phone that was picked up, and its session description."""


@dataclass(slots=True)
class _Ringing:
    """An agent's phones that ring for a call of his own."""

    call_id: str
    agent_id: str
    number: str
    line: str
    audio: CallAudio
    legs: list[Leg] = field(default_factory=list)
    answered: _Answered = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    paused: bool = False


def _ringing(legs: list[Leg], index: int, answered: _Answered, event: LegEvent) -> None:
    """Take what happens to one of the phones until one is answered."""
    match event:
        case LegAnswered(str(sdp)) if not answered.done():
            answered.set_result((legs[index], sdp))
        case LegEnded() if not answered.done() and all(leg.over for leg in legs):
            answered.set_exception(TransferError("target_not_ready"))
        case _:
            pass
