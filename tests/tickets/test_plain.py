"""Plain sentences that rules tuned on long dialogues must not lose, and what must not set them off.

In a talk the agent's turns begin with 问.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tickets.address import AddressEar
from tickets.draft import TicketDraft, Utterance
from tickets.names import NameEar
from tickets.numerals import figures
from tickets.urgency import judge


def _read(name: str) -> list[dict[str, Any]]:
    lines = Path(__file__).with_name(name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


@pytest.mark.parametrize("case", _read("plain_dangers.jsonl"), ids=lambda case: str(case["said"]))
def test_a_plain_sentence_is_as_pressing_as_it_sounds(case: dict[str, Any]) -> None:
    urgency = judge(case["said"])
    if case["level"] is None:
        assert not urgency.urgent, urgency
    else:
        assert (urgency.level, urgency.transfer) == (case["level"], case["transfer"])


@pytest.mark.parametrize("case", _read("plain_names.jsonl"), ids=lambda case: "".join(case["talk"]))
def test_only_the_citizens_own_name_is_taken(case: dict[str, Any]) -> None:
    ear = NameEar()
    for said in case["talk"]:
        if said.startswith("问"):
            ear.agent(said[1:])
        else:
            ear.caller(said)
    assert ear.name == case["expect"]


@pytest.mark.parametrize(
    "case", _read("plain_places.jsonl"), ids=lambda case: "".join(case["talk"])
)
def test_an_address_stays_what_it_was(case: dict[str, Any]) -> None:
    ear = AddressEar()
    for said in case["talk"]:
        if said.startswith("问"):
            ear.agent(said[1:])
        else:
            ear.caller(figures(said))
    assert ear.text == case["expect"]


@pytest.mark.parametrize("case", _read("plain_wishes.jsonl"), ids=lambda case: str(case["said"]))
def test_what_the_citizen_wants_is_understood(case: dict[str, Any]) -> None:
    draft = TicketDraft("t", None)
    draft.hear(Utterance("caller", case["said"], 0.0, 1.0))
    wanted = {name: value for name, value in case.items() if name != "said"}
    assert {name: draft.fields[name].value for name in wanted} == wanted
