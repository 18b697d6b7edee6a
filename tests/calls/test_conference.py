"""More than three in a call: who hears whom as each comes and goes, and who holds it then."""

import pytest

from calls.call import Call, CallState
from calls.call_effects import (
    CallEffect,
    Connect,
    FinishAgent,
    HandOver,
    HangUpLeg,
    Hear,
    TakeEarly,
    TransferStep,
)
from calls.call_inputs import (
    Bridged,
    CallerEnded,
    CallInput,
    CancelAsked,
    CompleteAsked,
    DropAsked,
    MergeAsked,
    PartyAnswered,
    PartyEnded,
    PartyRang,
    SwapAsked,
    TransferAsked,
)
from calls.errors import TransferError
from calls.hearing import NOBODY, Hearing, circle
from calls.supervision_events import SuperviseAsked
from calls.targets import NumberTarget
from calls.tunes import tunes
from tests.calls.test_transfer import FIRST, POLICE, A, talking

FIRE = NumberTarget(("119",), "119")
SECOND = "p2-1.0"
THREE = circle("caller", A, FIRST)
FOUR = circle("caller", A, FIRST, SECOND)


def pulled_in(target: NumberTarget, leg: str) -> tuple[CallInput, ...]:
    return TransferAsked(target, "conference"), PartyAnswered(leg), Bridged(leg)


def heard(effects: list[CallEffect]) -> list[Hearing]:
    return [effect.hearing for effect in effects if isinstance(effect, Hear | Connect)]


def stages(effects: list[CallEffect]) -> list[str]:
    return [effect.stage for effect in effects if isinstance(effect, TransferStep)]


def test_somebody_is_pulled_in_and_citizen_and_agent_go_on_talking_until_he_answers() -> None:
    call = talking()
    assert heard(call.handle(TransferAsked(POLICE, "conference"), 1.0)) == []
    assert heard(call.handle(PartyAnswered(FIRST), 2.0)) == [THREE]
    assert stages(call.handle(Bridged(FIRST), 2.0)) == ["merged"]
    assert call.transfer_stage == "merged"


def test_a_fourth_is_consulted_while_the_others_go_on_and_then_merged() -> None:
    call = talking(*pulled_in(POLICE, FIRST))
    assert heard(call.handle(TransferAsked(FIRE, "consult"), 3.0)) == [circle("caller", FIRST)]
    aside = circle("caller", FIRST) | circle(A, SECOND)
    assert heard(call.handle(PartyAnswered(SECOND), 4.0)) == [aside]
    call.handle(Bridged(SECOND), 4.0)
    assert heard(call.handle(SwapAsked(), 5.0)) == [THREE]
    assert heard(call.handle(MergeAsked(), 6.0)) == [FOUR]


def test_one_of_them_is_dropped_or_goes_and_the_rest_go_on() -> None:
    call = talking(*pulled_in(POLICE, FIRST), *pulled_in(FIRE, SECOND))
    effects = call.handle(DropAsked(FIRST), 5.0)
    assert HangUpLeg(FIRST) in effects
    assert (stages(effects), heard(effects)) == (["left"], [circle("caller", A, SECOND)])
    effects = call.handle(PartyEnded(SECOND), 6.0)
    assert (stages(effects), heard(effects)) == (["cancelled"], [circle("caller", A)])
    assert [part.outcome for part in call.segments] == [None, "conferred", "conferred"]
    with pytest.raises(TransferError, match="unknown party"):
        call.handle(DropAsked(FIRST), 7.0)


def test_the_merged_target_is_dropped_like_any_other() -> None:
    call = talking(*pulled_in(POLICE, FIRST))
    effects = call.handle(DropAsked(FIRST), 5.0)
    assert HangUpLeg(FIRST) in effects
    assert heard(effects) == [circle("caller", A)]


@pytest.mark.parametrize("way", [CompleteAsked(), PartyEnded(A)])
def test_the_agent_leaves_the_citizen_with_both(way: CallInput) -> None:
    call = talking(*pulled_in(POLICE, FIRST), *pulled_in(FIRE, SECOND))
    agent = call.holder
    effects = call.handle(way, 5.0)
    assert HandOver(agent, call.holder) in effects
    assert FinishAgent("1001", 1) in effects
    assert heard(effects) == [circle("caller", FIRST, SECOND)]
    assert call.state is CallState.TALKING
    # the one who holds it goes: the other is there still
    assert call.holder is not None
    effects = call.handle(PartyEnded(call.holder.leg), 6.0)
    assert heard(effects) == [circle("caller", call.holder.leg)]
    call.handle(PartyEnded(call.holder.leg), 7.0)
    assert (call.state, call.ended_by) == (CallState.ENDED, "partner")


def test_an_agent_who_goes_while_a_fourth_rings_leaves_the_citizen_in_company() -> None:
    call = talking(*pulled_in(POLICE, FIRST), TransferAsked(FIRE, "consult"))
    effects = call.handle(PartyEnded(A), 5.0)
    assert HangUpLeg(SECOND) in effects
    assert stages(effects) == ["cancelled", "completed"]
    assert call.holder is not None
    assert (call.holder.leg, call.transferring) == (FIRST, False)
    assert [hearing for hearing in heard(effects) if hearing != circle("caller", FIRST)] == []


def test_the_citizen_hangs_up_and_everybody_goes() -> None:
    call = talking(*pulled_in(POLICE, FIRST), *pulled_in(FIRE, SECOND))
    effects = call.handle(CallerEnded(), 5.0)
    assert {effect.leg for effect in effects if isinstance(effect, HangUpLeg)} == {A, FIRST, SECOND}


def test_eight_and_no_more() -> None:
    call = talking()
    for number in range(6):
        for event in pulled_in(POLICE, f"p{number + 1}-1.0"):
            call.handle(event, 1.0)
    everybody = {party for pair in call.hearing for party in pair}
    assert len(everybody) == 8
    before = call.hearing
    with pytest.raises(TransferError, match="call full"):
        call.handle(TransferAsked(POLICE, "conference"), 2.0)
    with pytest.raises(TransferError, match="call full"):
        call.handle(SuperviseAsked("2001", "listen"), 2.0)
    assert call.hearing == before


# Early media, and what those hear who hear nobody


@pytest.mark.parametrize(
    "asked, hearing, played",
    [
        ("consult", circle(A, FIRST), {"caller": "music"}),
        ("conference", circle("caller", A), {}),
        ("blind", circle("caller", A), {}),
    ],
)
def test_who_hears_what_a_partner_sends_before_he_answers(
    asked: str, hearing: Hearing, played: dict[str, str]
) -> None:
    call = talking(TransferAsked(POLICE, asked))  # type: ignore[arg-type]
    effects = call.handle(PartyRang(FIRST, early=True), 2.0)
    assert TakeEarly(FIRST) in effects
    assert call.hearing == hearing
    assert tunes(call, call.hearing) == played
    assert TakeEarly(FIRST) not in call.handle(PartyRang(FIRST, early=True), 2.1)
    # he is busy: the next number rings, and nothing is heard of it yet
    call.handle(PartyEnded(FIRST, 486), 3.0)
    assert call.hearing == (NOBODY if asked == "consult" else circle("caller", A))


def test_a_citizen_whose_agent_has_gone_hears_the_partners_announcement_or_music() -> None:
    call = talking(TransferAsked(POLICE, "blind"), PartyEnded(A))
    assert tunes(call, call.hearing) == {"caller": "music"}
    call.handle(PartyRang(FIRST, early=True), 2.0)
    assert call.hearing == circle("caller", FIRST)
    assert tunes(call, call.hearing) == {}


def test_an_agent_who_consults_hears_that_it_rings_and_the_citizen_music() -> None:
    call = talking(TransferAsked(POLICE, "consult"))
    assert tunes(call, call.hearing) == {"caller": "music", A: "ringback"}
    call.handle(PartyAnswered(FIRST), 2.0)
    call.handle(Bridged(FIRST), 2.0)
    assert tunes(call, call.hearing) == {"caller": "music"}
    call.handle(CancelAsked(), 3.0)
    assert tunes(call, call.hearing) == {}
    assert tunes(Call(), NOBODY) == {}
