"""The echo test: an agent's phone calls a number and hears itself.

What he says goes the whole way of a call, through his phone, the network and the media process, and
back: what a test within the page or the phone cannot show. Nobody else takes part, so there is no
call record; while it lasts he is not ready, as in any call of his own.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from calls.agent_calls import AgentCalls
from calls.audio import CallAudio
from calls.hearing import CALLER
from telephony.leg import Leg
from telephony.media_commands import MediaCommands, MediaError
from telephony.sip.audio_formats import AudioFormat
from telephony.sip.leg_events import LegConfirmed, LegEnded, LegEvent, LegReanswered, LegReoffered
from telephony.sip.offer_answer import SdpError

log = structlog.get_logger(__name__)

LONGEST_SECONDS: Final = 120.0
"""A phone that was forgotten off the hook is not kept from calls for ever."""


class EchoCalls:
    """Echo tests of one node.

    Args:
        number: what is dialled for one; "": nothing.
        agents: keeps calls away from who tests.
        is_talking: whether an agent is in a call.
        media: the media process.
        audio: makes the audio of a call of this name.
        new_id: makes names.
    """

    def __init__(
        self,
        *,
        number: str,
        agents: AgentCalls,
        is_talking: Callable[[str], bool],
        media: MediaCommands,
        audio: Callable[[str], CallAudio],
        new_id: Callable[[], str],
    ) -> None:
        self._number = number
        self._agents = agents
        self._is_talking = is_talking
        self._media = media
        self._audio = audio
        self._new_id = new_id
        self._tests: dict[str, Leg] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def __len__(self) -> int:
        """Return how many go on."""
        return len(self._tests)

    def takes(self, leg: Leg) -> bool:
        """Tell whether a call is one: an agent's, for the number."""
        return bool(self._number) and leg.account is not None and leg.called == self._number

    def on_call(self, leg: Leg) -> None:
        """Take the INVITE of a call that :meth:`takes`."""
        agent_id = leg.account or ""
        if self._is_talking(agent_id) or self._agents.calls_out(agent_id):
            leg.on_event = lambda _event: None
            leg.refuse(486)
            return
        self._agents.began(agent_id)
        test = _Test(leg, self._audio(self._new_id()), self._media)
        task = asyncio.create_task(self._run(test, leg, agent_id), name="echo-test")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def hang_up(self, sessions: Sequence[str]) -> None:
        """End the tests of these media sessions: they are gone, or nothing comes from them."""
        for session in sessions:
            if (leg := self._tests.get(session)) is not None:
                leg.hang_up()

    async def close(self) -> None:
        """End them all, those that have only begun too, and wait until nothing is left of them."""
        self._closed = True
        self.hang_up(list(self._tests))
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, test: "_Test", leg: Leg, agent_id: str) -> None:
        paused = False
        try:
            paused = await self._agents.pause(agent_id)
            if await self._agents.is_held(agent_id):
                leg.refuse(486)  # a call was held out to him in this moment, or has him
                return
            session = await test.begin()
            self._tests[session] = leg
            log.info("echo_test", agent_id=agent_id)
            if self._closed:
                leg.hang_up()
            async with asyncio.timeout(LONGEST_SECONDS):
                await test.over.wait()
        except (MediaError, SdpError) as error:
            log.warning("no_echo_test", agent_id=agent_id, error=str(error))
            if not leg.over:
                leg.refuse(488 if isinstance(error, SdpError) else 503)
        except TimeoutError:
            leg.hang_up()
        except Exception:
            # The outermost boundary of this task: the phone is told, calls never notice.
            log.exception("echo_test_failed", agent_id=agent_id)
            leg.hang_up()
        finally:
            self._tests = {name: other for name, other in self._tests.items() if other is not leg}
            await test.close()
            self._agents.ended(agent_id)
            await self._agents.resume(agent_id, paused=paused)


class _Test:
    """One phone that hears itself.

    Attributes:
        over: set when its leg has ended.
    """

    def __init__(self, leg: Leg, audio: CallAudio, media: MediaCommands) -> None:
        self.over = asyncio.Event()
        self._leg = leg
        self._audio = audio
        self._media = media
        self._moving: set[asyncio.Task[None]] = set()
        leg.on_event = self._on_event

    async def begin(self) -> str:
        """Answer it; return its session.

        Raises:
            MediaError: the media process is away or refused.
            SdpError: its description cannot be answered.
        """
        await self._audio.open(CALLER)
        self._audio.signalled_from(CALLER, self._leg.source[0])
        answer = await self._audio.admit(CALLER, self._leg.remote_sdp, CALLER)
        session = self._audio.session(CALLER) or ""
        await self._media.matrix(session, {session: {session: 1.0}})
        if not self._leg.over:
            self._leg.answer(answer)
        return session

    async def close(self) -> None:
        """Give its session back."""
        await asyncio.gather(*self._moving, return_exceptions=True)
        await self._audio.close()

    def _on_event(self, event: LegEvent) -> None:
        match event:
            case LegEnded():
                self.over.set()
            case LegReoffered(sdp):
                self._reanswer(sdp)
            case LegConfirmed(str(sdp)) | LegReanswered(sdp):
                self._move(sdp)
            case _:
                pass

    def _reanswer(self, sdp: str | None) -> None:
        """Answer a phone that is somewhere else now, or only shows that it lives (RFC 4028)."""
        if sdp is None:
            self._leg.answer(self._audio.reoffer(CALLER))
            return
        try:
            answer, chosen = self._audio.reanswer(CALLER, sdp)
        except SdpError:
            self._leg.refuse(488)
            return
        self._leg.answer(answer)
        self._move(sdp, chosen)

    def _move(self, sdp: str, chosen: AudioFormat | None = None) -> None:
        async def move() -> None:
            try:
                await self._audio.move(CALLER, sdp, chosen)
            except (MediaError, SdpError) as error:
                log.warning("echo_test_not_moved", error=str(error))

        task = asyncio.create_task(move(), name="echo-test-moves")
        self._moving.add(task)
        task.add_done_callback(self._moving.discard)
