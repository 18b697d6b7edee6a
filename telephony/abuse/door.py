"""The door of an endpoint: joins what is known of sources with what is known of calls."""

from collections.abc import Callable
from typing import Protocol

from aiosipua import SipRequest

from telephony.abuse.gatekeeper import Gatekeeper
from telephony.sip.hop import Hop


class Door(Protocol):
    """What an endpoint asks about what comes in. Times are monotonic seconds."""

    def admits(self, data: bytes, hop: Hop, now: float) -> bool:
        """Tell whether a message is read at all."""
        ...

    def is_stranger(self, request: SipRequest, hop: Hop, now: float) -> bool:
        """Tell whether a new request gets no transaction, but one answer at most."""
        ...

    def may_answer(self, hop: Hop, now: float) -> bool:
        """Tell whether one more request of a stranger's is answered."""
        ...


class OpenDoor:
    """Lets everybody in."""

    def admits(self, data: bytes, hop: Hop, now: float) -> bool:  # noqa: ARG002
        """See `Door`."""
        return True

    def is_stranger(self, request: SipRequest, hop: Hop, now: float) -> bool:  # noqa: ARG002
        """See `Door`."""
        return False

    def may_answer(self, hop: Hop, now: float) -> bool:  # noqa: ARG002
        """See `Door`."""
        return True


class GuardedDoor:
    """Keeps state for trunks, for users, and for who answers a challenge or is in a call of ours.

    Args:
        keeper: knows the sources.
        in_call: tells whether a request is in a live dialog.
        answers_challenge: tells whether it comes back with a nonce that was sent to this host.
    """

    def __init__(
        self,
        keeper: Gatekeeper,
        *,
        in_call: Callable[[SipRequest], bool],
        answers_challenge: Callable[[SipRequest, str], bool],
    ) -> None:
        self._keeper = keeper
        self._in_call = in_call
        self._answers_challenge = answers_challenge

    def admits(self, data: bytes, hop: Hop, now: float) -> bool:
        """See `Door`."""
        return self._keeper.admits(data, hop.host, now, proven=hop.reliable)

    def is_stranger(self, request: SipRequest, hop: Hop, now: float) -> bool:
        """See `Door`."""
        return (
            self._keeper.is_stranger(hop.host, now)
            and not self._in_call(request)
            and not self._answers_challenge(request, hop.host)
        )

    def may_answer(self, hop: Hop, now: float) -> bool:
        """See `Door`."""
        return self._keeper.may_answer(hop.host, now)
