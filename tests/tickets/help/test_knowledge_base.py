"""The knowledge base in both databases."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotline.background import EXAMPLES
from hotline.database import migrate, open_engine
from tickets.help.knowledge import read_folder
from tickets.help.knowledge_base import KnowledgeBase, quotation, snippet

NOW = 1_795_000_000.0  # a Thursday evening in November 2026
ENTRIES, EXPERTS = read_folder(EXAMPLES)
BY_ID = {entry.id: entry for entry in ENTRIES}


@pytest.fixture
async def knowledge(database_url: str) -> AsyncIterator[KnowledgeBase]:
    engine = open_engine(database_url)
    await migrate(engine)
    knowledge = KnowledgeBase(engine, clock=lambda: NOW)
    assert await knowledge.is_new()
    await knowledge.import_(ENTRIES, experts=EXPERTS, who="9001")
    yield knowledge
    await engine.dispose()


@pytest.mark.parametrize(
    "said, entry_id",
    [
        ("我想问一下租房能不能提取公积金", "gjj-tiqu"),
        ("包工头拖欠我们三个月工资", "qianxin"),
        ("健身房跑路了我办的卡怎么退款", "yuka"),
        ("楼下半夜施工噪音太大", "zaoyin"),
        ("小区电梯坏了物业不管", "wuye"),
        ("在外地住院要不要备案怎么报销", "yibao"),
        ("路灯不亮还有个井盖没了", "luding"),
        ("工机今怎么提去", "gjj-tiqu"),  # misheard: other characters, the same sound
    ],
)
async def test_what_a_citizen_says_finds_its_entry(
    knowledge: KnowledgeBase, said: str, entry_id: str
) -> None:
    found = await knowledge.search(said)
    assert found
    assert found[0].entry.id == entry_id
    assert found[0].score >= found[-1].score
    assert found[0].snippet in " ".join(BY_ID[entry_id].body.split())


async def test_words_that_say_nothing_find_nothing(knowledge: KnowledgeBase) -> None:
    for said in ("", "你好请问", "好的谢谢", "'; DROP TABLE", '" OR *', "a\\'b"):
        assert [hit.entry.id for hit in await knowledge.search(said)] == []


async def test_versions_citations_and_retirement(knowledge: KnowledgeBase) -> None:
    old = BY_ID["laji"]
    new = replace(old, body="生活垃圾日产日清。", source="新条例第一条")
    assert await knowledge.put(old, who="9001") == 1  # nothing changed
    assert await knowledge.put(new, who="9001") == 2
    assert await knowledge.get("laji") == (new, 2)
    assert await knowledge.get("laji", 1) == (old, 1)
    assert await knowledge.get("laji", 3) is None
    assert quotation(new, 2).endswith("（laji，第2版），新条例第一条")
    found = await knowledge.search("生活垃圾没人清运")
    assert (found[0].entry, found[0].version) == (new, 2)
    assert await knowledge.retire("laji")
    assert not await knowledge.retire("laji")
    assert "laji" not in {hit.entry.id for hit in await knowledge.search("生活垃圾没人清运")}
    assert await knowledge.get("laji", 1) == (old, 1)


async def test_an_import_makes_the_folder_the_knowledge_base(knowledge: KnowledgeBase) -> None:
    kept, changed = BY_ID["wuye"], replace(BY_ID["yuka"], title="预付卡")
    added = replace(kept, id="new")
    done = await knowledge.import_([kept, changed, added], who="9001")
    assert (done.added, done.changed, done.unchanged) == (("new",), ("yuka",), 1)
    assert set(done.retired) == set(BY_ID) - {"wuye", "yuka"}
    listed = [(entry.id, version) for entry, version in await knowledge.list_()]
    assert listed == [("new", 1), ("wuye", 1), ("yuka", 2)]


async def test_experts_are_named_while_they_are_on_duty(knowledge: KnowledgeBase) -> None:
    (found, *_) = await knowledge.search("路灯不亮")
    assert [expert.id for expert in found.experts] == ["chengguan"]
    (found, *_) = await knowledge.search("拖欠工资")
    assert found.experts == ()  # after hours


async def test_what_is_out_of_date_is_not_found(knowledge: KnowledgeBase) -> None:
    await knowledge.put(replace(BY_ID["wuye"], valid_until=date(2026, 11, 17)), who="9001")
    assert "wuye" not in {hit.entry.id for hit in await knowledge.search("物业电梯")}
    await knowledge.put(replace(BY_ID["wuye"], valid_until=date(2027, 1, 1)), who="9001")
    assert "wuye" in {hit.entry.id for hit in await knowledge.search("物业电梯")}


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a migrated database."""
    url = f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('knowledge') / 'k.db'}"

    async def make() -> None:
        engine = open_engine(url)
        await migrate(engine)
        await engine.dispose()

    asyncio.run(make())
    return url


@settings(deadline=None)
@given(said=st.text(max_size=60))
def test_no_words_break_the_search(said: str, empty: str) -> None:
    async def run() -> None:
        engine = open_engine(empty)
        try:
            assert await KnowledgeBase(engine).search(said) == []
        finally:
            await engine.dispose()

    asyncio.run(run())


def test_a_snippet_is_the_part_with_most_of_the_words() -> None:
    body = "开头。" + "别的" * 100 + "路灯不亮请报灯杆编号。" + "其他" * 100
    assert "路灯不亮请报灯杆编号" in snippet(body, ["路灯", "灯杆", "开头"])
    assert snippet(body, []).startswith("开头")
    assert len(snippet(body, ["路灯"])) <= 120
