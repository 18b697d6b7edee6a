"""RFC 3264 §4: one offer at a time, whoever makes it; an agreement holds until the next one."""

import pytest
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from telephony.sip.errors import LocalProtocolError
from telephony.sip.negotiation import Negotiation, Whose


@pytest.mark.parametrize("whose, status", [("ours", 491), ("theirs", 500)])
def test_a_second_offer_waits(whose: Whose, status: int) -> None:
    negotiation = Negotiation()
    assert negotiation.objection() is None
    negotiation.propose("first", whose=whose)
    assert negotiation.objection() == status
    with pytest.raises(LocalProtocolError):
        negotiation.propose("second", whose="ours")
    assert negotiation.offer == "first"


def test_an_answer_needs_an_offer() -> None:
    negotiation = Negotiation()
    with pytest.raises(LocalProtocolError):
        negotiation.accept("answer")
    assert not negotiation.agreed


class TwoSides(RuleBasedStateMachine):
    """Two ends that are told of the same offers and answers always agree on what holds."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = Negotiation(), Negotiation()
        self.number = 0

    def text(self) -> str:
        self.number += 1
        return str(self.number)

    @precondition(lambda self: self.a.pending is None)
    @rule()
    def a_offers(self) -> None:
        sdp = self.text()
        self.a.propose(sdp, whose="ours")
        self.b.propose(sdp, whose="theirs")

    @precondition(lambda self: self.a.pending is None)
    @rule()
    def b_offers(self) -> None:
        sdp = self.text()
        self.a.propose(sdp, whose="theirs")
        self.b.propose(sdp, whose="ours")

    @precondition(lambda self: self.a.pending is not None)
    @rule()
    def it_is_answered(self) -> None:
        sdp = self.text()
        self.a.accept(sdp)
        self.b.accept(sdp)

    @rule()
    def it_is_refused(self) -> None:
        self.a.drop()
        self.b.drop()

    @invariant()
    def both_agree(self) -> None:
        assert (self.a.local, self.a.remote) == (self.b.remote, self.b.local)
        assert (self.a.pending is None) == (self.b.pending is None)
        assert self.a.agreed == self.b.agreed


TestTwoSides = TwoSides.TestCase
