"""Whose offer is waiting for its answer: RFC 3264's model as one small machine.

RFC 6337 table 1 says in which messages an offer and its answer may travel. With this machine and
the messages that carry them that comes to:

====================  ========================  ======================================
offer in              answer in                 offered by us / by the peer
====================  ========================  ======================================
INVITE                reliable 1xx, or 2xx      yes / yes (an unreliable 1xx may preview it)
reliable 1xx          PRACK                     yes / yes, for an INVITE without an offer
2xx to INVITE         ACK                       yes / yes, for an INVITE without an offer
PRACK                 2xx to PRACK              no  / yes
UPDATE                2xx to UPDATE             yes / yes, early only after the first answer
====================  ========================  ======================================
"""

from typing import Literal

from telephony.sip.errors import LocalProtocolError

Whose = Literal["ours", "theirs"]


class Negotiation:
    """The offers and answers of one dialog.

    Attributes:
        local: what we last agreed to; None before the first agreement.
        remote: what the peer last agreed to.
        offered_by: whose offer that agreement answered.
        pending: whose offer waits for its answer, None: nobody's.
        offer: that offer.
    """

    def __init__(self) -> None:
        self.local: str | None = None
        self.remote: str | None = None
        self.offered_by: Whose | None = None
        self.pending: Whose | None = None
        self.offer = ""

    @property
    def agreed(self) -> bool:
        """Whether there has been an offer and its answer, and nothing is pending."""
        return self.pending is None and self.local is not None

    def propose(self, sdp: str, *, whose: Whose) -> None:
        """Note an offer.

        Raises:
            LocalProtocolError: RFC 3264 §4: "it MUST NOT generate a new offer" while one is open.
        """
        if self.pending is not None:
            raise LocalProtocolError(f"an offer while one of {self.pending} is open")
        self.pending, self.offer = whose, sdp

    def accept(self, sdp: str) -> None:
        """Note the answer to the open offer.

        Raises:
            LocalProtocolError: there is no open offer.
        """
        if self.pending is None:
            raise LocalProtocolError("an answer without an offer")
        ours = self.pending == "ours"
        self.local, self.remote = (self.offer, sdp) if ours else (sdp, self.offer)
        self.offered_by, self.pending, self.offer = self.pending, None, ""

    def drop(self) -> None:
        """Forget the open offer: refused, or never answered. What was agreed before holds on."""
        self.pending, self.offer = None, ""

    def objection(self) -> int | None:
        """Return the status that refuses an offer of the peer's now, None when it may offer.

        RFC 3311 §5.2: 491 while our own offer is open, 500 with Retry-After while its last one is.
        """
        return {None: None, "ours": 491, "theirs": 500}[self.pending]
