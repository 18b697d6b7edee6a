"""Which legs are alive, and which dialog each is in."""

import asyncio

from aiosipua import SipRequest

from telephony.leg import Leg
from telephony.sip.dialog import DialogId, header_address
from telephony.sip.inbound_leg import InboundLeg
from telephony.sip.message import cseq_of


class LegBook:
    """The live legs of a gateway.

    Attributes:
        legs: by their ids.
        empty: set while there is none.
    """

    def __init__(self) -> None:
        self.legs: dict[str, Leg] = {}
        self.empty = asyncio.Event()
        self.empty.set()
        self._dialogs: dict[DialogId, Leg] = {}
        self._known: dict[Leg, tuple[DialogId, ...]] = {}

    @property
    def dialogs(self) -> int:
        """How many dialogs there are."""
        return len(self._dialogs)

    def note(self, leg: Leg) -> None:
        """Take over a leg's present state: new, in a dialog, over."""
        dialogs = () if leg.over else leg.dialog_ids
        if leg.over:
            self.legs.pop(leg.id, None)
        else:
            self.legs[leg.id] = leg
        if dialogs != self._known.get(leg, ()):
            for dialog in self._known.pop(leg, ()):
                del self._dialogs[dialog]
            if dialogs:
                self._known[leg] = dialogs
                self._dialogs.update(dict.fromkeys(dialogs, leg))
        if self.legs:
            self.empty.clear()
        else:
            self.empty.set()

    def find(self, dialog: DialogId) -> Leg | None:
        """Return the leg in a dialog."""
        return self._dialogs.get(dialog)

    def is_merged(self, request: SipRequest) -> bool:
        """Tell whether an INVITE came already, by another way (RFC 3261 §8.2.2.2)."""
        tag, cseq = header_address(request, "From").tag, cseq_of(request)
        return any(
            leg.sip_call_id == request.headers.get_first("Call-ID")
            and isinstance(leg.machine, InboundLeg)
            and header_address(leg.machine.invite, "From").tag == tag
            and cseq_of(leg.machine.invite) == cseq
            for leg in self.legs.values()
        )
