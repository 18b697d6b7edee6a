"""What those hear who hear nobody: music on hold, and ringing while somebody is called."""

from typing import Literal

from calls.call_facts import CallFacts, CallState
from calls.hearing import CALLER, Hearing

Tune = Literal["music", "ringback"]


def tunes(call: CallFacts, hearing: Hearing) -> dict[str, Tune]:
    """Return what is played to whom, instead of nothing.

    Args:
        call: the call.
        hearing: who hears whom, as it is carried out.
    """
    if call.state is CallState.ENDED:
        return {}
    hearers = {listener for _, listener in hearing}
    if call.answered_at is None:
        # an agent who calls somebody, and hears no exchange's own ringing (any more)
        return {CALLER: "ringback"} if call.rings_outside and CALLER not in hearers else {}
    played: dict[str, Tune] = {}
    if CALLER not in hearers and call.calling_agent is None:
        played[CALLER] = "music"
    holder = call.holder
    if holder is not None and holder.leg not in hearers:
        if call.is_calling and call.via is None:  # (else his phone's second call rings)
            played[holder.leg] = "ringback"
        elif call.calling_agent is not None:
            played[holder.leg] = "music"  # whom an agent called, and has on hold
    return played
