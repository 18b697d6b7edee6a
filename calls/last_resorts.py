"""What is done with a call that none of our own agents has answered in time.

The routing document says after how many seconds it goes to another city's hotline, or its caller is
told that he will be called back. Each is tried once, and only while the call is held out to nobody.
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog

from agents.routing import Plan, Resort
from calls.call import CallState
from calls.call_inputs import OverflowAsked
from calls.errors import TransferError

if TYPE_CHECKING:
    from calls.owner import CallOwner

log = structlog.get_logger(__name__)


class LastResorts:
    """One call's.

    Args:
        owner: the call's owner.
    """

    def __init__(self, owner: "CallOwner") -> None:
        self._owner = owner
        self._left: Sequence[Resort] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def follow(self, plan: Plan) -> None:
        """The call waits for an agent, for the first time or again."""
        if self._left is None:
            self._left = plan.resorts
        self.stop()
        if self._left and self._owner.call.state is CallState.WAITING:
            at = self._owner.call.arrived_at + self._left[0].after
            self._timer = asyncio.get_running_loop().call_at(at, self._due)

    def stop(self) -> None:
        """Nothing is due any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _due(self) -> None:
        owner, left = self._owner, self._left
        self._timer = None
        if not left or owner.call.state is not CallState.WAITING:
            return  # held out to somebody; if he does not take it, it will wait again
        resort, self._left = left[0], left[1:]
        taken = self._pass_on(resort.to) if resort.to is not None else owner.reception.call_back()
        if not taken:
            self.follow(Plan(()))

    def _pass_on(self, to: str) -> bool:
        """Let a partner have the call; False: he cannot now."""
        owner = self._owner
        try:
            target = owner.facilities.partner(to)
        except TransferError as error:
            log.warning("not_passed_on", call_id=owner.call_id, to=to, reason=error.code)
            return False
        log.info("passed_on_unanswered", call_id=owner.call_id, to=to)
        owner.feed(OverflowAsked(target))
        return True
