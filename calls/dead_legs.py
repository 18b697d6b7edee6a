"""Parties of whom nothing comes any more, neither speech nor a report: a lost BYE, a cut cable.

Whoever holds the call with his phone may be silent (RFC 3264 §8.4). Everybody else of whom nothing
comes for ``AudioPolicy.dead_leg_seconds`` is hung up, so that no agent stays in a call for ever.
"""

from typing import TYPE_CHECKING

import structlog

from calls.call_inputs import CallerEnded
from calls.hearing import CALLER
from telephony.sip.offer_answer import RemoteAudio

if TYPE_CHECKING:
    from calls.owner import CallOwner

log = structlog.get_logger(__name__)

REASON = "RTP timeout"
_REQUEST_TIMEOUT = 408


def limit_for(audio: RemoteAudio, seconds: float | None) -> float | None:
    """Return after how many seconds without a packet a party is dead; None: it may be silent."""
    return seconds if audio.direction == "sendrecv" else None


def hang_up_dead_leg(owner: "CallOwner", session: str, seconds: float) -> None:
    """End the leg whose peer has fallen silent; the rest follows as if it had hung up itself."""
    name = owner.audio.mark_dead(session, seconds)
    if name is None:
        return
    log.warning("leg_dead", call_id=owner.call_id, party=name, seconds=round(seconds, 1))
    if name == CALLER:
        owner.feed(CallerEnded(failed=True))
        return
    for leg_name, leg in list(owner.legs.items()):
        if leg_name.rpartition(".")[0] == name and leg_name not in owner.unanswered:
            leg.hang_up(REASON, cause=_REQUEST_TIMEOUT)
