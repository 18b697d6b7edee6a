"""Live calls as others see them."""

from collections.abc import Mapping
from dataclasses import dataclass

from calls.call import Call, CallState
from calls.owner import CallOwner
from calls.party import Party
from calls.targets import name_of

_VIEW_STATES: Mapping[CallState, str] = {
    CallState.NEW: "waiting",
    CallState.WAITING: "waiting",
    CallState.OFFERING: "offered",
    CallState.CONNECTING: "offered",
    CallState.TALKING: "talking",
}


@dataclass(frozen=True, slots=True)
class CallView:
    """A live call as others see it; ``state``: waiting, offered or talking. Unix seconds."""

    call_id: str
    line: str
    caller: str | None
    state: str
    agent_id: str | None
    arrived_at: float
    answered_at: float | None
    ticket_id: str | None
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


def view_of(owner: CallOwner) -> CallView:
    """Return a live call's view."""
    led = owner.call.supervised
    return CallView(
        call_id=owner.call_id,
        line=owner.line,
        caller=owner.caller,
        state=_VIEW_STATES[owner.call.state],
        agent_id=owner.call.agent_id,
        arrived_at=owner.unix(owner.call.arrived_at) or 0.0,
        answered_at=owner.unix(owner.call.answered_at),
        ticket_id=owner.ticket_id if owner.conversation else None,
        direction="inbound" if owner.calling_agent is None else "outbound",
        transfer_to=owner.call.transfer_to,
        transfer_stage=owner.call.transfer_stage,
        held_by=tuple(sorted(set(owner.on_hold.values()))),
        partner=owner.partner_id,
        reference=owner.reference,
        muted=owner.controls.pressed.muted,
        by_click=owner.controls.by_click.possible(owner.call.agent_id),
        parties=tuple(_parties(owner.call)),
        supervisor=led.supervisor if led else None,
        supervision=led.mode if led else None,
    )


def _parties(call: Call) -> list[dict[str, str]]:
    """Return who is in a call beside the caller; ``id`` is what DropAsked takes."""
    found: list[tuple[Party, str, str]] = []
    if call.holder is not None:
        found.append((call.holder, name_of_party(call.holder), "holder"))
    if call.consulted is not None:
        found.append((call.consulted, call.transfer_to or "", "target"))
    found += [(guest.party, name_of(guest.target), "guest") for guest in call.guests]
    return [{"id": party.leg, "name": name, "role": role} for party, name, role in found]


def name_of_party(party: Party) -> str:
    """Return a party's public name, as transfers have it."""
    segment = party.segment
    if segment.agent_id is not None:
        return f"agent:{segment.agent_id}"
    return "number" if segment.partner_id is None else f"partner:{segment.partner_id}"
