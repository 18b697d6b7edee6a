"""What the knowledge base is about is put right by its sound, beside the city's names."""

from hotline.spoken_names import KIND, learn_phrases, spoken_phrases
from tickets.gazetteer import Entry as Name
from tickets.gazetteer import Gazetteer
from tickets.help.knowledge import Entry
from tickets.written import Writer

CITY = Gazetteer([Name("锦都花园", "小区"), Name("公积金中心", "单位")])
FUND = Entry(
    "gjj", "公积金提取", "住房保障", "中心", "正文", keywords=("灵活就业", "租房", "HPF", "提取")
)


class Knowledge:
    async def list_(self) -> list[tuple[Entry, int]]:
        return [(FUND, 1)]


def test_titles_and_keywords_are_known_short_and_foreign_ones_are_not() -> None:
    names = dict(spoken_phrases([FUND, FUND]).entries)
    assert names == {"公积金提取": KIND, "灵活就业": KIND}
    assert not dict(spoken_phrases([]).entries)


async def test_what_sounds_like_a_title_is_written_as_one() -> None:
    writer = Writer(CITY)
    assert writer.write("我要问公鸡金提取").heard == "我要问公鸡金提取"
    await learn_phrases(writer, Knowledge())
    written = writer.write("我要问公鸡金提取在今度花园")
    assert (written.spoken, written.heard) == (
        "我要问公鸡金提取在今度花园",
        "我要问公积金提取在锦都花园",
    )
    assert [(r.heard, r.name) for r in written.repairs] == [
        ("公鸡金提取", "公积金提取"),
        ("今度花园", "锦都花园"),
    ]


async def test_where_both_would_write_the_city_decides() -> None:
    writer = Writer(CITY)
    writer.phrases = spoken_phrases([Entry("x", "公鸡金中辛", "其他", "中心", "正文")])
    assert writer.write("在公积金钟心门口").heard == "在公积金中心门口"
