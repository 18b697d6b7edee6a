import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tickets.draft import TicketDraft, Utterance
from tickets.fields import FIELDS, TicketError

_PIECES = (
    "我姓陆陆先生",
    "我叫周海燕",
    "电话一三六六二二零零零四四",
    "在文昌路六十六号",
    "着火了",
    "我要投诉",
    "不要公开",
    "打过三次了",
    "小麦面包店",
    "一五零",
    "零二五六八八九九",
    "不是",
    "对",
    "荷塘新村三幢四零一",
    "万一",
    "的",
    " ",
    "一",
    "号",
)
_WORDS = st.one_of(
    st.text(max_size=40), st.lists(st.sampled_from(_PIECES), max_size=6).map("".join)
)
_UTTERANCES = st.builds(Utterance, st.sampled_from(["caller", "agent"]), _WORDS)
_CORRECTIONS = {
    "name": "孔",
    "title": "女士",
    "phone": "13900000000",
    "address": "别处1号",
    "type": "建议",
    "category": "其他",
    "urgent": False,
    "urgency": "一般",
    "urgency_reason": "无",
    "transfer": "122",
    "secret": False,
    "repeat": False,
    "party": "无名店",
    "content": "改过了",
}


def caller(text: str) -> Utterance:
    return Utterance("caller", text)


def test_what_follows_from_the_whole_talk_is_as_sure_as_the_whole_talk() -> None:
    draft = TicketDraft("t", None)
    draft.hear(Utterance("caller", "证据可用加盟九五两用起垃圾没人清", confidence=0.3))
    draft.hear(Utterance("caller", "不用了", confidence=1.0))
    unsure = draft.fields["content"].confidence
    assert unsure is not None
    assert unsure < 0.5
    draft.hear(Utterance("caller", "我姓陆陆先生", confidence=1.0))
    named = draft.fields["name"].confidence
    assert named is not None
    assert named > 0.5, "it has words of its own"


def test_an_empty_draft_knows_the_caller_and_nothing_else() -> None:
    draft = TicketDraft("t", "13862311001")
    assert tuple(draft.fields) == FIELDS
    assert draft.fields["phone"].to_dict() == {
        "value": "13862311001",
        "source": "caller_id",
        "evidence": None,
        "confidence": 0.95,
        "passage": None,
    }
    assert TicketDraft("t", None).values()["phone"] is None
    assert draft.values() | {"phone": None} == {
        **dict.fromkeys(FIELDS),
        "urgent": False,
        "urgency": "普通",
        "secret": False,
        "repeat": False,
        "content": "",
    }


def test_changes_are_told_once_with_their_words() -> None:
    draft = TicketDraft("t", None)
    changes = {change.field: change for change in draft.hear(caller("我姓陆陆先生"))}
    assert (changes["name"].value, changes["name"].evidence) == ("陆", "我姓陆陆先生")
    assert changes["title"].value == "先生"
    again = [change.field for change in draft.hear(caller("我姓陆"))]
    assert "name" not in again


def test_what_the_agent_reads_back_is_taken_when_the_citizen_says_yes() -> None:
    draft = TicketDraft("t", "13862311001")
    draft.hear(Utterance("agent", "您在文昌路六十六号电话是一三九一二三四五六七八对吧"))
    assert draft.values()["address"] is None
    draft.hear(caller("对的"))
    assert draft.values()["address"] == "文昌路66号"
    assert draft.values()["phone"] == "13912345678"


def test_what_the_citizen_denies_is_not_taken() -> None:
    draft = TicketDraft("t", None)
    draft.hear(Utterance("agent", "您在文昌路六十六号对吧"))
    draft.hear(caller("不对"))
    assert draft.values()["address"] is None


def test_danger_fills_all_four_fields() -> None:
    draft = TicketDraft("t", None)
    draft.hear(caller("我家着火了在翠湖花园五幢"))
    values = draft.values()
    assert (values["urgent"], values["urgency"], values["transfer"]) == (True, "特急", "119")
    assert values["urgency_reason"] == "突发：火情或爆炸"
    assert values["content"] == "我家着火了在翠湖花园5幢。"


def test_a_calm_ticket_calls_nobody() -> None:
    draft = TicketDraft("t", None)
    draft.hear(caller("我家着火了"))
    changed = {change.field: change.value for change in draft.correct("urgent", value=False)}
    assert changed == {"urgent": False, "urgency": "普通", "urgency_reason": None, "transfer": None}
    draft.hear(caller("着火了着火了"))
    assert draft.values()["transfer"] is None


def test_urgency_decides_urgent() -> None:
    draft = TicketDraft("t", None)
    draft.correct("urgency", "紧急")
    assert draft.values()["urgent"] is True
    draft.correct("urgency", "一般")
    assert draft.values()["urgent"] is False


@pytest.mark.parametrize(
    "field,value,code",
    [
        ("colour", "red", "unknown_field"),
        ("urgent", "yes", "wrong_kind"),
        ("name", 5, "wrong_kind"),
        ("type", "抱怨", "not_a_choice"),
        ("category", "天气", "not_a_choice"),
        ("transfer", "911", "not_a_choice"),
        ("phone", "1386231", "bad_phone"),
        ("name", "陆" * 41, "too_long"),
        ("type", None, "required"),
    ],
)
def test_a_wrong_correction_changes_nothing(field: str, value: object, code: str) -> None:
    draft = TicketDraft("t", "13862311001")
    before = draft.to_dict()
    with pytest.raises(TicketError) as error:
        draft.correct(field, value)
    assert (error.value.field, error.value.code) == (field, code)
    assert draft.to_dict() == before


@pytest.mark.parametrize(
    "given_,stored",
    [
        ("138 6231 1001", "13862311001"),
        ("0512-66778899", "051266778899"),
        (" ", None),
        ("4008001234", "4008001234"),
    ],
)
def test_telephone_numbers_are_stored_as_digits(given_: str, stored: str | None) -> None:
    draft = TicketDraft("t", None)
    draft.correct("phone", given_)
    assert draft.values()["phone"] == stored


@settings(max_examples=60, deadline=None)
@given(
    st.lists(_UTTERANCES, max_size=4),
    st.sampled_from(sorted(_CORRECTIONS)),
    st.lists(_UTTERANCES, max_size=6),
)
def test_a_corrected_field_is_never_overwritten(
    before: list[Utterance], field: str, after: list[Utterance]
) -> None:
    draft = TicketDraft("t", "13862311001")
    for utterance in before:
        draft.hear(utterance)
    draft.correct(field, _CORRECTIONS[field])
    kept = {name: value for name, value in draft.fields.items() if value.source == "agent"}
    for utterance in after:
        assert not {change.field for change in draft.hear(utterance)} & set(kept)
    assert {name: draft.fields[name] for name in kept} == kept
    assert draft.values()[field] == _CORRECTIONS[field]


@settings(max_examples=60, deadline=None)
@given(st.lists(_UTTERANCES, max_size=6))
def test_the_changes_told_are_the_changes_made(utterances: list[Utterance]) -> None:
    draft = TicketDraft("t", "13862311001")
    known = draft.values()
    for utterance in utterances:
        for change in draft.hear(utterance):
            known[change.field] = change.value
    assert known == draft.values()


@settings(max_examples=40, deadline=None)
@given(st.lists(_UTTERANCES, max_size=4), _UTTERANCES)
def test_a_draft_goes_on_after_being_written_down(
    utterances: list[Utterance], last: Utterance
) -> None:
    draft = TicketDraft("t", "13862311001")
    for utterance in utterances:
        draft.hear(utterance)
    draft.correct("party", "无名店")
    again = TicketDraft.from_dict(json.loads(json.dumps(draft.to_dict())))
    assert again.to_dict() == draft.to_dict()
    assert again.hear(last) == draft.hear(last)
    assert again.to_dict() == draft.to_dict()


def test_a_first_utterance_without_a_breath_is_heard() -> None:
    draft = TicketDraft("t", None)
    draft.hear(Utterance("caller", "我家楼下那个饭店的油烟一直往上冒" * 40))
    assert (draft.values()["secret"], draft.values()["category"]) == (False, "环境保护")
