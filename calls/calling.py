"""Calling somebody into a call: agents by the floor and their phones, others by their numbers."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import structlog

from agents.floor import Offer
from agents.routing import Plan
from calls.call import CallState
from calls.call_effects import (
    CallNumber,
    CallPhones,
    ConfirmLease,
    Enqueue,
    FinishAgent,
    ReleaseOffer,
)
from calls.call_inputs import LeaseConfirmed, LeaseLost, OfferFailed, PartyEnded, PhonesCalled
from calls.hearing import CALLER
from calls.last_resorts import LastResorts
from calls.supervision_events import CallSupervisor, SupervisorCalled
from eventbus.tasks import both
from telephony.bindings import Binding
from telephony.media_commands import MediaError
from telephony.sip.errors import SipError
from telephony.sip.identity import forwarding_headers

if TYPE_CHECKING:
    from calls.owner import CallOwner

log = structlog.get_logger(__name__)


class Calling:
    """Calls parties of one call, as its owner is told to.

    Args:
        owner: the call's owner.
    """

    def __init__(self, owner: "CallOwner") -> None:
        self._owner = owner
        self.offers: dict[int, Offer] = {}
        self.resorts = LastResorts(owner)
        self._plans: dict[tuple[str, str | None], Plan] = {}

    async def enqueue(self, effect: Enqueue) -> None:
        """Let the floor look for an agent."""
        owner = self._owner
        own, plan = effect.line is None and effect.skill is None, await self._plan(effect)
        first = own and effect.seat == 0 and owner.calling_agent is None
        if first and plan.closed in {"announce", "call_back"}:
            owner.reception.turn_away(call_back=plan.closed == "call_back")
            return
        await owner.facilities.floor.enqueue(
            owner.place(effect.seat),
            arrived_at=owner.unix(owner.call.arrived_at) or 0.0,
            priority=effect.priority + plan.priority,
            wanted=effect.wanted,
            wants=plan.wants,
        )
        owner.facilities.gateway.set_up(owner.leg)
        if owner.call.state is CallState.WAITING and owner.calling_agent is None:
            owner.ledger.waiting(owner.facilities.wall_clock())
        if first:
            self.resorts.follow(plan)

    async def _plan(self, wish: Enqueue, before: Plan | None = None) -> Plan:
        owner = self._owner
        key = self._asked(wish)
        if key not in self._plans:
            self._plans[key] = await owner.facilities.route(
                key[0],
                owner.caller,
                partner=owner.partner_id is not None,
                skill=wish.skill,
                before=before,
            )
        return self._plans[key]

    def _asked(self, wish: Enqueue) -> tuple[str, str | None]:
        """Return the line and the skill that are asked for."""
        return wish.line or self._owner.line, wish.skill

    async def replan(self) -> None:
        """Go by the rules as they are now, where agents are sought still.

        Who was let in stays in, also where the line has closed meanwhile; last resorts stay too.
        """
        before, self._plans = self._plans, {}
        for wish in self._owner.call.wishes:
            old = before.get(self._asked(wish))
            plan = await self._plan(wish, old)
            if old is not None and (plan.wants, plan.priority) != (old.wants, old.priority):
                await self._owner.facilities.floor.set_wants(
                    self._owner.place(wish.seat),
                    priority=wish.priority + plan.priority,
                    wants=plan.wants,
                )

    async def call_phones(self, effect: CallPhones) -> None:
        """Call every phone of an agent."""
        owner = self._owner
        first = f"agent.{effect.token}.0"
        # (at once: the caller waits for both)
        bindings, is_open = await both(
            owner.facilities.bindings.lookup(effect.agent_id), self._open(CALLER, first)
        )
        if not bindings or not is_open:
            # without a phone it is his trouble, and not to be tried again with him
            owner.feed(OfferFailed(effect.token, "no_media" if bindings else "no_phone"))
            return
        names = (first, *(f"agent.{effect.token}.{number}" for number in range(1, len(bindings))))
        if not owner.call.expects(effect.token):
            return  # it ended while the ports were being opened; _release closes them
        self._invite(effect.agent_id, names, bindings)
        owner.feed(PhonesCalled(effect.token, names))
        by = owner.call.segments[-1].summons.by
        await asyncio.sleep(0)  # first the INVITEs leave, then it is told
        owner.ledger.offered(owner.facilities.wall_clock(), effect.agent_id, by=by)

    async def _open(self, *legs: str) -> bool:
        """Open ports for legs; False: there is no media process that would."""
        try:
            await self._owner.audio.open(*legs)
        except MediaError as error:
            log.warning("no_media", call_id=self._owner.call_id, error=str(error))
            return False
        return True

    def _invite(self, agent_id: str, names: tuple[str, ...], bindings: Sequence[Binding]) -> None:
        """INVITE all phones of an agent; their session is open."""
        owner = self._owner
        for name, binding in zip(names, bindings, strict=True):
            kind = owner.facilities.phone_audio(agent_id, binding)
            leg = owner.facilities.gateway.invite(
                binding,
                sdp=owner.audio.offer(name, owner.leg.remote_sdp, **kind),
                caller=owner.calling_agent or owner.caller,
                display=owner.line_name,
                called=agent_id,
                on_event=partial(owner.on_party_event, name),
                hops=owner.leg.hops_left,
            )
            owner.join(name, leg)

    async def call_supervisor(self, effect: CallSupervisor) -> None:
        """Call every phone of a supervisor, who comes in beside the agent."""
        owner = self._owner
        bindings = await owner.facilities.bindings.lookup(effect.supervisor)
        names = tuple(f"{effect.group}.{number}" for number in range(len(bindings)))
        if names and not await self._open(CALLER, names[0]):
            names = ()
        if owner.call.state is CallState.ENDED:
            return
        self._invite(effect.supervisor, names, bindings[: len(names)])
        owner.feed(SupervisorCalled(effect.group, names))

    async def call_number(self, effect: CallNumber) -> None:
        """Call somebody outside, and tell him which line the call came in on."""
        owner = self._owner
        if not owner.call.calls(effect.leg):
            return
        try:
            await owner.audio.open(CALLER, effect.leg)
            if not owner.call.calls(effect.leg):
                return  # nobody wants him any more: he is not to be rung for nothing
            leg = owner.facilities.place_call(
                effect.number,
                sdp=owner.audio.offer(effect.leg, owner.leg.remote_sdp),
                caller=owner.line or owner.caller if owner.calling_agent else owner.caller,
                on_event=partial(owner.on_party_event, effect.leg),
                trunks=effect.trunks,
                headers=self._headers_for(effect),
                hops=owner.leg.hops_left,
                elsewhere=partial(owner.facilities.may_be_sent_to, effect.role),
            )
            owner.join(effect.leg, leg)
        except (MediaError, SipError) as error:
            log.warning("number_not_called", call_id=owner.call_id, error=str(error))
            owner.feed(PartyEnded(effect.leg, 503))

    def _headers_for(self, effect: CallNumber) -> dict[str, str]:
        owner = self._owner
        if owner.calling_agent is not None:
            return {}
        number = (owner.leg.identity.number if effect.asserts else None) or owner.caller
        told = dict(forwarding_headers(f"tel:{owner.line}", f"tel:{effect.number}"))
        called = [part.partner_id for part in owner.call.segments if part.number == effect.number]
        if called and called[-1] is not None and owner.conversation is not None:
            told |= owner.facilities.carry(owner.call_id, owner.ticket_id, called[-1])
        # RFC 3325 §9.1: who really calls, for a carrier we trust and who may know it
        return told if number is None else {**told, "P-Asserted-Identity": f"<tel:{number}>"}

    async def release(self, effect: ReleaseOffer) -> None:
        """Give an agent back."""
        owner = self._owner
        await owner.facilities.floor.release(self.offers[effect.token], effect.outcome)
        owner.ledger.offer_failed(owner.facilities.wall_clock(), effect.agent_id, effect.outcome)
        await owner.audio.close_leg(f"agent.{effect.token}.0")

    async def confirm(self, effect: ConfirmLease) -> None:
        """Ask the floor whether the agent is still ours."""
        owner = self._owner
        ours = await owner.facilities.floor.talking(self.offers[effect.token])
        owner.feed(LeaseConfirmed(effect.token) if ours else LeaseLost(effect.token))

    async def finish_agent(self, effect: FinishAgent) -> None:
        """Let an agent wrap up."""
        owner = self._owner
        offer = self.offers[effect.token]
        await owner.facilities.floor.finish(effect.agent_id, offer.call_id)
        if owner.conversation is not None and owner.conversation.submitted:
            await owner.facilities.floor.end_wrap_up(effect.agent_id)  # nothing is left to write
        if owner.call.state is not CallState.ENDED:
            await owner.audio.close_leg(f"agent.{effect.token}.0")
