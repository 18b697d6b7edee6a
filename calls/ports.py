"""What calls need from others, one narrow protocol each."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from telephony.leg import Leg, LegEvent


class PlaceCall(Protocol):
    """Calls somebody outside; ``telephony.gateway.SipGateway.dial`` does."""

    def __call__(
        self,
        number: str,
        *,
        sdp: str,
        caller: str | None,
        on_event: Callable[[LegEvent], None],
        trunks: Sequence[str] = ...,
        headers: Mapping[str, str] = ...,
        hops: int = ...,
    ) -> Leg:
        """Call a number; no event is told before this has returned.

        Raises:
            telephony.sip.errors.SipError: no trunk leads there, or all are at their limits.
        """
