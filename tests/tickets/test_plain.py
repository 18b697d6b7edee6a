"""Plain sentences that rules tuned on long dialogues must not lose: dangers, and what is none."""

import json
from pathlib import Path
from typing import Any

import pytest

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
