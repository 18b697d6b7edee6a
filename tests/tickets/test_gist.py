from tickets.category import Ranked, classify
from tickets.draft import TicketDraft, Utterance
from tickets.gist import Gist


def test_a_talk_of_minutes_is_kept_whole() -> None:
    gist = Gist()
    for number in range(60):
        gist.add(f"第{number:02}句话啊")
    assert gist.whole
    assert gist.text == "，".join(f"第{number:02}句话啊" for number in range(60))


def test_of_a_longer_one_the_middle_is_left_out() -> None:
    gist = Gist()
    for number in range(400):
        gist.add(f"第{number:03}句话")
    assert not gist.whole
    assert gist.text.startswith("第000句话，第001句话")
    assert gist.text.endswith("第398句话，第399句话")
    assert "第200句话" not in gist.text


def test_one_endless_utterance_leaves_its_end() -> None:
    gist = Gist()
    gist.add("开头")
    gist.add("啊" * 5000 + "着火了")
    assert gist.text.startswith("开头，")
    assert gist.text.endswith("着火了")
    assert len(gist.text) < 700


def test_what_is_judged_does_not_grow_with_the_talk() -> None:
    judged: list[int] = []

    def measuring(text: str, hint: str | None = None) -> list[Ranked]:
        judged.append(len(text))
        return classify(text, hint)

    draft = TicketDraft("x", None, classifier=measuring)
    for _ in range(30):
        draft.hear(Utterance("caller", "我们小区今天停水了没有人来修"))
    draft.hear(Utterance("caller", "请帮我保密我之前打过电话反映过"))
    for _ in range(120):
        draft.hear(Utterance("caller", "我们小区今天停水了没有人来修"))
    assert max(judged) < 700
    values = draft.values()
    assert (values["secret"], values["repeat"], values["category"]) == (True, True, "公用事业")
