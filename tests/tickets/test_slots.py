"""Where a value came from: confidence, passage, history, corrections."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickets.draft import History, TicketDraft, Utterance
from tickets.fields import FieldValue, Passage
from tickets.history import history_of


def caller(text: str, start: float = 0.0, end: float = 0.0) -> Utterance:
    return Utterance("caller", text, start, end)


def agent(text: str) -> Utterance:
    return Utterance("agent", text)


def test_a_value_leads_back_to_its_second_of_the_recording() -> None:
    draft = TicketDraft("t", None)
    words = tuple((w, 10.0 + n, 11.0 + n) for n, w in enumerate(["你好", "我", "姓", "陆"]))
    draft.hear(Utterance("caller", "你好我姓陆", 10.0, 14.0, words, 0.9))
    name = draft.fields["name"]
    assert (name.value, name.passage) == ("陆", Passage("caller", 11.0, 14.0, ((11.0, 14.0),)))
    assert name.confidence == pytest.approx(0.72)


def test_without_times_of_words_the_passage_is_reckoned_from_the_utterance() -> None:
    draft = TicketDraft("t", None)
    draft.hear(caller("你好我姓陆", start=10.0, end=15.0))
    assert draft.fields["name"].passage == Passage("caller", 12.0, 15.0, ((12.0, 15.0),))


def test_what_was_said_bit_by_bit_is_heard_from_its_first_bit() -> None:
    draft = TicketDraft("t", None)
    talk = [
        agent("您电话多少"),
        caller("一三八六二", start=2.0, end=4.0),
        agent("嗯"),
        caller("三一一", start=5.0, end=6.0),
        caller("零零一", start=7.0, end=8.0),
        caller("坏的灯在人民路", start=10.0, end=17.0),
        agent("几号"),
        caller("二十六号", start=20.0, end=22.0),
    ]
    for said in talk:
        draft.hear(said)
    breaths = ((2.0, 4.0), (5.0, 6.0), (7.0, 8.0))
    assert draft.fields["phone"].passage == Passage("caller", 2.0, 8.0, breaths)
    shares = ((14.0, 17.0), (20.0, 22.0))
    assert draft.fields["address"].passage == Passage("caller", 14.0, 22.0, shares)


def test_what_is_read_back_and_agreed_to_becomes_surer() -> None:
    draft = TicketDraft("t", "13900000000")
    draft.hear(caller("我姓陆在文昌路六十六号"))
    before = draft.fields["address"].confidence or 0
    draft.hear(agent("您姓陆在文昌路六十六号对吗"))
    changed = {change.field for change in draft.hear(caller("对的"))}
    assert {"name", "address"} <= changed
    assert (draft.fields["address"].confidence or 0) > before
    assert draft.fields["name"].confidence == 0.95


@pytest.mark.parametrize(
    "said,field,value",
    [
        (["二十六号晚上开始停水", "不对是二十七号"], "time", "27号晚上"),
        (["在人民路二十六号", "不对是二十七号"], "address", "人民路27号"),
        (["二十六号晚上开始停水在人民路五号", "不对是七号"], "address", "人民路7号"),
        (["在中山路三十七号不对不对是七十三号"], "address", "中山路73号"),
        (["我叫李明", "不是李明是黎明我姓黎"], "name", "黎"),
        (["昨天下午两点半路灯坏了"], "time", "昨天下午2点半"),
    ],
)
def test_corrections_are_followed(said: list[str], field: str, value: str) -> None:
    draft = TicketDraft("t", None)
    for text in said:
        draft.hear(caller(text))
    assert str(draft.values()[field]).startswith(value)


def test_history_fills_what_nobody_said_and_agreement_makes_it_sure() -> None:
    draft = TicketDraft("t", "13900000000")
    told = {c.field: c.value for c in draft.remember(History("张桂芳", "女士", "文昌路66号"))}
    assert told == {"name": "张桂芳", "title": "女士", "address": "文昌路66号"}
    assert draft.fields["name"].confidence == 0.5
    draft.hear(caller("我姓张"))
    assert draft.fields["name"].value == "张桂芳"
    assert draft.fields["name"].confidence == 0.95
    draft.hear(caller("路灯坏了在解放路三号"))
    assert (draft.values()["address"], draft.fields["address"].source) == ("解放路3号", "heard")


def test_somebody_else_at_the_same_number_inherits_nothing() -> None:
    draft = TicketDraft("t", "13900000000")
    draft.remember(History("张桂芳", "女士", "文昌路66号"))
    draft.hear(caller("我姓陆"))
    assert [draft.values()[field] for field in ("name", "title", "address")] == ["陆", None, None]


def test_history_comes_too_late_for_what_was_heard_or_typed() -> None:
    draft = TicketDraft("t", None)
    draft.correct("address", None)
    draft.hear(caller("我姓陆"))
    assert draft.remember(History("张桂芳", "女士", "文昌路66号")) == []


def ticket(**fields: str) -> dict[str, object]:
    return {"fields": {name: FieldValue(v, "heard").to_dict() for name, v in fields.items()}}


def test_the_history_is_read_from_earlier_tickets() -> None:
    tickets = [
        ticket(name="张", address="河边"),
        ticket(name="张桂芳", title="女士", address="文昌路66号"),
        ticket(name="张桂芳", address="文昌路66号"),
        ticket(name="王", address="别处"),
    ]
    assert history_of(tickets) == History("张桂芳", "女士", "文昌路66号")
    assert history_of([]) == History()


@given(
    st.text(min_size=1, max_size=12),
    st.lists(st.integers(1, 4), max_size=6),
    st.data(),
)
def test_passages_lie_within_their_utterance(
    text: str, lengths: list[int], data: st.DataObject
) -> None:
    times, at = [], 0
    for length in lengths:
        times.append((text[at : at + length], 2.0 + at, 2.0 + at + length))
        at += length
    said = Utterance("caller", text, 2.0, 40.0, tuple(times))
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    passage = said.passage(start, end)
    assert 2.0 <= passage.start <= passage.end <= 40.0
