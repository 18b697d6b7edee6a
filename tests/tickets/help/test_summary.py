from hypothesis import given
from hypothesis import strategies as st

from tickets.help.summary import SENTENCES, sentences, summarise

CALL = [
    "你好",
    "西北街218号边上垃圾没人清，满地都是，臭得很。",
    "已经三天了。",
    "垃圾一直没人清。",
    "我姓陆。",
    "希望你们尽快派人来清理。",
    "好的谢谢",
]


def test_where_what_and_the_wish_come_in_their_order() -> None:
    summary = summarise(CALL)
    assert summary[0] == "西北街218号边上垃圾没人清，满地都是，臭得很。"
    assert summary[-1] == "希望你们尽快派人来清理。"
    assert "垃圾一直没人清。" not in summary  # says nothing new
    assert "你好" not in summary


def test_nothing_said_nothing_summed_up() -> None:
    assert summarise([]) == []
    assert summarise(["喂", "你好", "好的"]) == []


@given(st.lists(st.text("垃圾没人清西北街路坏了三天希望，。你好1218号", max_size=30), max_size=12))
def test_every_sentence_was_said_in_that_order(utterances: list[str]) -> None:
    summary, said = summarise(utterances), sentences(utterances)
    assert len(summary) <= SENTENCES
    places: list[int] = []
    for sentence in summary:
        places.append(said.index(sentence, places[-1] + 1 if places else 0))
        assert any(sentence in utterance for utterance in utterances)
    assert places == sorted(places)
