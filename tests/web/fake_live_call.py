"""A live call as the desktop sees it, and what an agent presses at his desk."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from calls.errors import TransferError
from eventbus.catalogue import (
    CallHeld,
    CallMuted,
    CallResumed,
)

if TYPE_CHECKING:
    from tests.web.fake_calls import FakeCalls


@dataclass(frozen=True)
class FakeLiveCall:
    call_id: str
    line: str
    caller: str | None
    state: str
    agent_id: str | None
    arrived_at: float
    answered_at: float | None = None
    ticket_id: str | None = None
    direction: str = "inbound"
    transfer_to: str | None = None
    transfer_stage: str | None = None
    held_by: tuple[str, ...] = ()
    partner: str | None = None
    reference: str | None = None
    muted: bool = False
    by_click: bool = False
    parties: tuple[dict[str, str], ...] = ()
    supervisor: str | None = None
    supervision: str | None = None


@dataclass(frozen=True)
class FakeControls:
    """Hold, mute and keys of a call that is played."""

    calls: "FakeCalls"
    call_id: str

    def pick_up(self, agent_id: str) -> None:
        view = self.calls.view(self.call_id)
        if not view.by_click or view.agent_id != agent_id:
            raise TransferError("not_by_click")
        self.calls.answer(self.call_id)

    def hold(self, *, held: bool) -> None:
        view = self.calls.view(self.call_id)
        if view.transfer_to is not None:
            raise TransferError("transfer_under_way")
        self.calls.change(replace(view, held_by=("agent",) if held else ()))
        told = CallHeld if held else CallResumed
        at = self.calls.clock()
        event = told(at=at, agent_id=view.agent_id, call_id=self.call_id, party="agent")
        self.calls.publish(event)

    def mute(self, *, muted: bool) -> None:
        view = self.calls.view(self.call_id)
        self.calls.change(replace(view, muted=muted))
        at = self.calls.clock()
        event = CallMuted(at=at, agent_id=view.agent_id, call_id=self.call_id, muted=muted)
        self.calls.publish(event)

    async def press(self, keys: str) -> None:
        self.calls.asked.append((self.call_id, "keys", keys))
