"""What goes to the broker: numbers masked wherever they hide, and what a unit needs in full."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from eventbus.catalogue import (
    ALL_EVENTS,
    CallHelp,
    Event,
    ExchangeTicket,
    TicketField,
    TicketSubmitted,
    TicketUrgent,
    TranscriptFinal,
    TranscriptPartial,
)
from eventbus.docs import EXAMPLES
from hotline.outside import outside

NUMBER = "15250322668"
TICKET = "20261118-0V3K2M-8Z4Q1D7C"


def shown(event: Event, *, full_numbers: bool = False) -> Mapping[str, Any]:
    told = outside(full_numbers=full_numbers, partials=True)(event)
    assert told is not None
    return told


def test_no_event_tells_a_number_but_a_submitted_ticket() -> None:
    field = TicketField(
        at=1.0,
        call_id="c1",
        ticket_id=TICKET,
        field="phone",
        value=NUMBER,
        source="heard",
        evidence="一五二五零三二二六六八",
    )
    words = TranscriptFinal(
        at=1.0,
        call_id="c1",
        leg="caller",
        text=f"打我电话{NUMBER}",
        spoken="打我电话一五二五零三二二六六八",
        start=0.0,
        end=1.0,
        confidence=None,
        seq=1,
    )
    for event in (field, words):
        assert NUMBER in str(shown(event, full_numbers=True))
        told = str(shown(event))
        assert NUMBER not in told
        assert "一五二五零三二二六六八" not in told
    submitted = TicketSubmitted(at=1.0, ticket_id=TICKET, fields={"phone": NUMBER})
    assert shown(submitted)["fields"] == {"phone": NUMBER}


def test_numbers_of_tickets_and_matters_stay_as_they_are() -> None:
    urgent = TicketUrgent(
        at=1.0, ticket_id=TICKET, level="紧急", rule="集中", evidence=NUMBER, tickets=(TICKET,)
    )
    assert list(shown(urgent)["tickets"]) == [TICKET]
    assert shown(urgent)["evidence"] == "152****2668"
    exchanged = ExchangeTicket(
        at=1.0,
        partner="110",
        direction="in",
        kind="ticket",
        number="20260118001",
        state="returned",
        ticket_id=TICKET,
        reason=f"请打{NUMBER}",
        reopens=None,
    )
    assert shown(exchanged)["number"] == "20260118001"
    assert NUMBER not in str(shown(exchanged))


def test_every_event_keeps_its_fields() -> None:
    assert {type(event) for event in EXAMPLES} == set(ALL_EVENTS)
    for event in EXAMPLES:
        assert shown(event).keys() == event.to_dict().keys()


FLATLY = "我叫陆小明住西北街218号"


def _asked_for_secrecy() -> list[Event]:
    call: dict[str, Any] = {"at": 1.0, "call_id": "c1", "secret": True}
    field: dict[str, Any] = {**call, "ticket_id": TICKET, "source": "heard", "evidence": FLATLY}
    return [
        TranscriptPartial(**call, leg="caller", text=FLATLY, start=0.0),
        TranscriptFinal(
            **call,
            leg="caller",
            text=FLATLY,
            spoken=FLATLY,
            start=0.0,
            end=1.0,
            seq=1,
            doubtful=(FLATLY,),
        ),
        *(
            TicketField(**field, field=name, value=FLATLY)
            for name in ("name", "title", "phone", "address", "time", "party", "topic", "content")
        ),
        TicketUrgent(
            **call, ticket_id=TICKET, level="紧急", rule="突发", place=FLATLY, evidence=FLATLY
        ),
        CallHelp(
            **call,
            ticket_id=TICKET,
            topic=FLATLY,
            questions=(FLATLY,),
            knowledge=({"snippet": FLATLY},),
            similar=({"address": FLATLY},),
            summary=(FLATLY,),
        ),
    ]


@pytest.mark.parametrize("full_numbers", [False, True])
def test_words_of_who_asked_for_secrecy_stay_in_the_house(*, full_numbers: bool) -> None:
    for event in _asked_for_secrecy():
        assert FLATLY in str(event.to_dict())
        told = shown(event, full_numbers=full_numbers)
        assert FLATLY not in str(told)
        assert told.keys() == event.to_dict().keys()
        open_ = replace(event, secret=False)  # type: ignore[call-arg]
        assert FLATLY in str(shown(open_, full_numbers=full_numbers)).replace("二一八", "218")


def test_words_stay_in_the_house_while_they_are_being_said() -> None:
    """A wish for secrecy may end the sentence."""
    said = TranscriptPartial(at=1.0, call_id="c1", leg="caller", text=FLATLY, start=0.0)
    assert outside(full_numbers=True, partials=False)(said) is None
    assert FLATLY in str(shown(said))


def test_what_a_secret_matter_is_about_is_told() -> None:
    kind = TicketField(
        at=1.0,
        ticket_id=TICKET,
        field="category",
        value="环境保护",
        source="heard",
        evidence=FLATLY,
        secret=True,
    )
    assert (shown(kind)["value"], shown(kind)["evidence"]) == ("环境保护", None)


def test_every_event_that_can_be_secret_says_what_is_left_out() -> None:
    for event in EXAMPLES:
        if "secret" in event.to_dict():
            secret = replace(event, secret=True)  # type: ignore[call-arg]
            assert shown(secret) != {**shown(event), "secret": True}
