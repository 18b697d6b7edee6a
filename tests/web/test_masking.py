import pytest

from tickets.masking import mask_number, mask_text
from web.masking import masked


@pytest.mark.parametrize(
    "number, shown",
    [
        ("15250322668", "152****2668"),
        ("051253571234", "051*****1234"),
        ("53571234", "53****34"),
        ("5357123", "5*****3"),
        ("110", "***"),
    ],
)
def test_a_number_loses_its_middle(number: str, shown: str) -> None:
    assert mask_number(number) == shown


@pytest.mark.parametrize(
    "text, shown",
    [
        ("回电 15250322668。", "回电 152****2668。"),
        ("一五二 五零三二 二六六八", "一五二******二六六八"),
        ("转110，8号楼1202室", "转110，8号楼1202室"),
        ("+8615250322668", "+861******2668"),
        ("一幺五二五零三二二六六八", "一幺五*****二六六八"),
        ("", ""),
    ],
)
def test_numbers_in_text_are_masked_and_addresses_are_not(text: str, shown: str) -> None:
    assert mask_text(text) == shown


def test_ids_and_names_stay_as_they_are() -> None:
    event = {
        "event": "ticket.field",
        "id": "202510130001",
        "line": "051212345678",
        "call_id": "20251013T093000123-abcdef",
        "agent_id": "1234567890",
        "at": 1_760_000_000.5,
        "field": "phone",
        "value": "15250322668",
        "evidence": "我的号码15250322668",
        "fields": {"phone": "15250322668", "secret": True},
        "segments": [{"caller": "15250322668", "agent_id": "1234567890"}],
    }
    assert masked(event) == {
        **event,
        "value": "152****2668",
        "evidence": "我的号码152****2668",
        "fields": {"phone": "152****2668", "secret": True},
        "segments": [{"caller": "152****2668", "agent_id": "1234567890"}],
    }
