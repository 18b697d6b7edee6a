"""Transfers that an agent makes with his phone: REFER, and REFER with Replaces.

They become the same operations as those that the API asks for; the phone is told how they go.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

import structlog

from calls.call_effects import TransferStep
from calls.call_inputs import CompleteAsked, TransferAsked
from calls.errors import TransferError
from calls.targets import Target
from telephony.leg import Leg, LegReferred
from telephony.sip.name_addr import user_of

if TYPE_CHECKING:
    from calls.owner import CallOwner

log = structlog.get_logger(__name__)


class PhoneTransfer:
    """What a call's phones ask for by REFER.

    Args:
        owner: the call's owner.
        resolve: (what was dialled, the agent) → whom he may have; raises TransferError.
    """

    def __init__(
        self, owner: "CallOwner", *, resolve: Callable[[str, str], Awaitable[Target]]
    ) -> None:
        self._owner = owner
        self._resolve = resolve
        self._reported_to: Leg | None = None

    def referred(self, name: str, event: LegReferred) -> None:
        """Take a REFER from one of the call's legs."""
        self._owner.do(partial(self._refer, name, event))

    async def _refer(self, name: str, event: LegReferred) -> None:
        leg, holder = self._owner.leg_named(name), self._owner.call.holder
        if leg is None:
            return
        agent_id = holder.agent_id if holder is not None else None
        phones = (holder.leg if holder is not None else None, self._owner.call.via)
        if agent_id is None or name not in phones:
            # a citizen, a partner, or somebody who was only asked: none of them moves this call
            leg.answer_refer(403)
            return
        try:
            await self._obey(leg, event, agent_id)
        except TransferError as error:
            log.info("refer_refused", call_id=self._owner.call_id, reason=error.code)
            leg.answer_refer(603 if error.code != "target_not_allowed" else 403, str(error))

    async def _obey(self, leg: Leg, event: LegReferred, agent_id: str) -> None:
        call = self._owner.call
        if event.replaces is not None:
            via = self._owner.leg_named(call.via) if call.via else None
            holder = self._owner.leg_named(call.holder.leg) if call.holder else None
            others = [other for other in (via, holder) if other is not None and other is not leg]
            if not any(event.replaces.dialog in other.dialog_ids for other in others):
                raise TransferError("unknown_target")
            self._accept(leg)
            self._owner.feed(CompleteAsked())
            return
        target = await self._resolve(user_of(event.uri) or event.uri, agent_id)
        if call.transferring and call.transfer_stage != "merged":
            raise TransferError("transfer_under_way")
        if call.holder is None or self._owner.leg_named(call.holder.leg) is not leg:
            raise TransferError("not_talking")  # he has passed the call on meanwhile
        self._accept(leg)
        self._owner.feed(TransferAsked(target, "blind"))

    def _accept(self, leg: Leg) -> None:
        self._reported_to = leg
        leg.answer_refer(202)

    def step(self, step: TransferStep) -> None:
        """Tell the phone that asked how its transfer goes."""
        if self._reported_to is None or step.stage in {"started", "left"}:
            return
        self._reported_to.report_refer(step.status)
        if step.stage in {"completed", "cancelled", "failed"}:
            self._reported_to = None
