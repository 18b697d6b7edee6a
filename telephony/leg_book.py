"""Which legs are alive, and which dialog each is in."""

import asyncio
from collections import OrderedDict, defaultdict

from aiosipua import SipRequest

from telephony.leg import Leg
from telephony.sip.dialog import DialogId, header_address
from telephony.sip.inbound_leg import InboundLeg
from telephony.sip.invite_usage import Reply
from telephony.sip.message import cseq_of
from telephony.sip.refer import Replaces

#: So many dialogs are remembered after their end: who wants to replace one is told what happened.
_REMEMBERED = 1000


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
        self._by_call_id: defaultdict[str, dict[str, Leg]] = defaultdict(dict)
        self._dialogs: dict[DialogId, Leg] = {}
        self._known: dict[Leg, tuple[DialogId, ...]] = {}
        self._ended: OrderedDict[DialogId, None] = OrderedDict()

    @property
    def dialogs(self) -> int:
        """How many dialogs there are."""
        return len(self._dialogs)

    def note(self, leg: Leg) -> None:
        """Take over a leg's present state: new, in a dialog, over."""
        dialogs = () if leg.over else leg.dialog_ids
        if leg.over:
            self._forget(leg)
        elif leg.id not in self.legs:
            self.legs[leg.id] = leg
            self._by_call_id[leg.sip_call_id][leg.id] = leg
        if dialogs != self._known.get(leg, ()):
            for dialog in self._known.pop(leg, ()):
                del self._dialogs[dialog]
                self._ended[dialog] = None
                if len(self._ended) > _REMEMBERED:
                    self._ended.popitem(last=False)
            if dialogs:
                self._known[leg] = dialogs
                self._dialogs.update(dict.fromkeys(dialogs, leg))
        if self.legs:
            self.empty.clear()
        else:
            self.empty.set()

    def _forget(self, leg: Leg) -> None:
        if self.legs.pop(leg.id, None) is None:
            return
        of_call_id = self._by_call_id[leg.sip_call_id]
        del of_call_id[leg.id]
        if not of_call_id:
            del self._by_call_id[leg.sip_call_id]

    def find(self, dialog: DialogId) -> Leg | None:
        """Return the leg in a dialog."""
        return self._dialogs.get(dialog)

    def objection(self, request: SipRequest, replaces: Replaces) -> Reply | None:
        """Return why an INVITE cannot replace a dialog (RFC 3891 §3), or None.

        No dialog at all, or a call to us that nobody has answered yet: 481; one that has ended:
        603; one that is answered, but is to be replaced only before: 486.
        """
        if (leg := self.find(replaces.dialog)) is None:
            return Reply(request, 603 if replaces.dialog in self._ended else 481)
        if leg.direction == "inbound" and not leg.answered:
            return Reply(request, 481)  # "an early dialog that was not initiated by this UA"
        if replaces.early_only and leg.answered:
            return Reply(request, 486)
        return None

    def calls_from(self, host: str) -> int:
        """Return how many live calls an address has made to us."""
        return sum(
            leg.direction == "inbound" and leg.source[0] == host for leg in self.legs.values()
        )

    def is_merged(self, request: SipRequest) -> bool:
        """Tell whether an INVITE came already, by another way (RFC 3261 §8.2.2.2)."""
        known = self._by_call_id.get(request.headers.get_first("Call-ID") or "")
        if not known:
            return False
        tag, cseq = header_address(request, "From").tag, cseq_of(request)
        return any(
            isinstance(leg.machine, InboundLeg)
            and header_address(leg.machine.invite, "From").tag == tag
            and cseq_of(leg.machine.invite) == cseq
            for leg in known.values()
        )
