"""What an agent does to a call from his desk: hold, mute, keys.

His phone is told nothing: here only who hears whom changes, so it works with every phone. A hold
and a mute last until he ends them, passes the call on, or leaves it. A hold by the phone itself
comes to the same: phones differ in what they send meanwhile, most send nothing, and nobody shall
hear silence.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import structlog

from calls.call import CallState
from calls.click_to_answer import ClickToAnswer
from calls.errors import TransferError, UnknownCall
from calls.hearing import CALLER, Hearing
from telephony.media_commands import MediaError

if TYPE_CHECKING:
    from calls.owner import CallOwner

log = structlog.get_logger(__name__)

DESK = "desk"
"""Who holds the call in ``CallOwner.on_hold`` when it is no phone."""


@dataclass(frozen=True, slots=True)
class Pressed:
    """What an agent has pressed on his desk."""

    held: bool = False
    muted: bool = False


def heard_with(hearing: Hearing, agent: str | None, pressed: Pressed) -> Hearing:
    """Return who hears whom once an agent's (his leg's) hold and mute are obeyed."""
    return frozenset(
        (speaker, listener)
        for speaker, listener in hearing
        if not (pressed.muted and speaker == agent)
        and not (pressed.held and {speaker, listener} == {CALLER, agent})
    )


class CallControls:
    """Hold, mute and keys of one call.

    Args:
        owner: the call's.

    Attributes:
        pressed: what is in force.
        by_click: which phones answer by a click.
    """

    def __init__(self, owner: "CallOwner") -> None:
        self._owner = owner
        self._wanted: Hearing = frozenset()
        self.by_click = ClickToAnswer(owner)
        self.pressed = Pressed()

    def heard(self, wanted: Hearing) -> Hearing:
        """Return who hears whom when the call wants this; a transfer ends the hold."""
        self._wanted = wanted
        if self.pressed.held and self._owner.call.transferring:
            self._change(Pressed(muted=self.pressed.muted))
        return heard_with(self._unless_on_hold(wanted), self._agents_leg, self.pressed)

    @property
    def holding(self) -> bool:
        """Whether the agent has the caller on hold, by his desk or by his phone."""
        return self.pressed.held or self.phone_holds

    @property
    def phone_holds(self) -> bool:
        """Whether the agent's phone holds the call."""
        return self._agents_end in self._owner.on_hold

    def phone_told(self) -> None:
        """A party's phone holds the call now, or is back."""
        if self._owner.call.state is CallState.TALKING:
            self._owner.do(self._again)

    def _unless_on_hold(self, hearing: Hearing) -> Hearing:
        """Take out the caller and the agent (his own call: whom he called) who holds him."""
        if not self.phone_holds:
            return hearing
        end = self._agents_end
        return frozenset(pair for pair in hearing if CALLER not in pair or end not in pair)

    def reset(self) -> None:
        """End hold and mute: somebody else has the call."""
        self._change(Pressed())

    def hold(self, *, held: bool) -> None:
        """Put the citizen on hold, or take him back.

        Raises:
            TransferError: ``transfer_under_way``, ``not_talking``.
        """
        self._talking()
        if self._owner.call.transferring:
            raise TransferError("transfer_under_way")
        self._press(Pressed(held=held, muted=self.pressed.muted))

    def pick_up(self, agent_id: str) -> None:
        """Have the agent's ringing phone answer.

        Raises:
            TransferError: ``not_by_click``: it does not ring, or cannot be told to.
        """
        self.by_click.pick_up(agent_id)

    def mute(self, *, muted: bool) -> None:
        """Let nobody hear the agent, or everybody again.

        Raises:
            TransferError: ``not_talking``.
        """
        self._talking()
        self._press(Pressed(held=self.pressed.held, muted=muted))

    async def press(self, keys: str) -> None:
        """Press keys towards everybody who hears the agent: a partner's voice menu, say.

        Raises:
            TransferError: ``not_talking``; ``media_away``: no key was pressed.
        """
        leg = self._talking()
        for speaker, listener in sorted(self._wanted):
            if speaker == leg:
                await self._press_towards(listener, keys)

    def key_told(self, leg: str, key: str) -> None:
        """Take a key that a party's phone has told in INFO, instead of in its audio.

        Whoever hears him has it pressed anew; the caller's is told to who speaks to him, too.
        """
        if leg == CALLER:
            self._owner.reception.key(key)
        heard = heard_with(self._wanted, self._agents_leg, self.pressed)
        listeners = sorted(listener for speaker, listener in heard if speaker == leg)
        self._owner.do(partial(self._pass_on, listeners, key))

    async def _pass_on(self, listeners: Sequence[str], key: str) -> None:
        for listener in listeners:
            try:
                await self._owner.audio.press(listener, key)
            except MediaError as error:
                log.debug("key_not_passed_on", call_id=self._owner.call_id, error=str(error))

    async def _press_towards(self, leg: str, keys: str) -> None:
        try:
            await self._owner.audio.press(leg, keys)
        except MediaError as error:
            raise TransferError("media_away") from error

    @property
    def _agents_leg(self) -> str | None:
        holder = self._owner.call.holder
        return holder.leg if holder is not None and holder.agent_id is not None else None

    @property
    def _agents_end(self) -> str | None:
        """The leg of the agent who holds the call, or whose own call it is."""
        return CALLER if self._owner.calling_agent is not None else self._agents_leg

    def _talking(self) -> str:
        leg = self._agents_leg
        if leg is None or self._owner.call.state is not CallState.TALKING:
            raise TransferError("not_talking")
        return leg

    def _press(self, pressed: Pressed) -> None:
        if pressed != self.pressed:
            self._change(pressed)
            self._owner.do(self._again)

    async def _again(self) -> None:
        await self._owner.joining.hear(self._wanted)  # what is wanted by then

    def _change(self, pressed: Pressed) -> None:
        before, self.pressed = self.pressed, pressed
        if pressed.held != before.held:
            self._owner.note_hold(DESK, held=pressed.held)
        if pressed.muted != before.muted:
            self._owner.note_muted(muted=pressed.muted)


def controls_of(owner: "CallOwner | None", call_id: str) -> CallControls:
    """Return the controls of a live call; raise ``UnknownCall``."""
    if owner is None or owner.call.state is CallState.ENDED:
        raise UnknownCall(call_id)
    return owner.controls
