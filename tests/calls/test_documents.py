"""Documents that administrators change: versions, who sees which, and what stands in the trail."""

import asyncio
import threading
from collections.abc import Mapping
from typing import Any

import pytest

from calls.document_forms import TOLD_LINES, ModelForm
from calls.document_keeper import DocumentKeeper
from calls.document_terms import BadDocument
from calls.documents import Book, SqlVersions, StaleDocument, UnknownEntry, Version
from calls.text_readers import CATEGORIES, GAZETTEER, TEMPLATES, URGENCY
from config.documents import PartnersDocument
from eventbus.bus import EventBus
from eventbus.catalogue import DocumentChanged, Event
from hotline.database import migrate, open_engine
from hotline.documents import SHIPPED, partners_form
from tests.support.documents import MemoryVersions

POLICE = {"name": "公安", "numbers": ["110"], "shares": ["address"]}
CONFIGURED = {"partners": {"110": POLICE}, "experts": {}}


class Trail:
    def __init__(self) -> None:
        self.entries: list[tuple[str, str, str, Mapping[str, Any]]] = []

    def note(self, who: str, action: str, subject: str, detail: Mapping[str, Any]) -> None:
        self.entries.append((who, action, subject, detail))


def partners(
    versions: MemoryVersions | SqlVersions,
    *,
    bus: EventBus | None = None,
    trail: Trail | None = None,
    form: ModelForm[PartnersDocument] | None = None,
) -> Book[PartnersDocument]:
    return Book(
        form or partners_form({"sbc": None}),
        versions,
        configured=lambda: CONFIGURED,
        bus=bus or EventBus(),
        note=(trail or Trail()).note,
        clock=lambda: 1.76e9,
    )


async def test_an_entry_is_changed_noted_and_told() -> None:
    bus, trail, told = EventBus(), Trail(), list[Event]()
    bus.subscribe(told.append)
    book = partners(MemoryVersions(), bus=bus, trail=trail)
    assert (book.version, book.changed) == (0, False)

    await book.put("partners", "120", {"name": "急救", "numbers": "120, 962120"}, who="9001")

    assert book.value.partners["120"].numbers == ("120", "962120")
    assert book.changed
    (who, action, subject, detail) = trail.entries[0]
    assert (who, action, subject) == ("9001", "partners.change", "partners.120")
    assert detail["before"] is None
    assert detail["after"]["numbers"] == ["120", "962120"]
    assert told == [DocumentChanged(at=1.76e9, document="partners", version=1, by="9001")]


async def test_going_back_keeps_every_version() -> None:
    trail = Trail()
    book = partners(MemoryVersions(), trail=trail)
    await book.put("partners", "110", None, who="9001")
    await book.replace(None, who="9002", expected=1)
    assert (book.version, book.changed) == (2, False)
    assert list(book.value.partners) == ["110"]
    assert trail.entries[-1][3]["before"] == {"partners": {}}
    assert (await book.at(1))["partners"] == {}
    assert await book.at(2) == await book.at(0) == CONFIGURED
    with pytest.raises(UnknownEntry):
        await book.at(3)


@pytest.mark.parametrize(
    "entry, field",
    [
        ({"name": "急救", "numbers": []}, "partners.120.numbers"),
        ({"name": "急救", "numbers": ["12a"]}, "partners.120.numbers.0"),
        ({"name": "急救", "numbers": ["120"], "hours": "8-17"}, "partners.120.hours"),
        ({"name": "急救", "numbers": ["120"], "trunks": ["sbc", "x"]}, "partners.120.trunks"),
        ({"name": "急救", "numbers": ["120"], "colour": "red"}, "partners.120.colour"),
        ({"name": "急救", "numbers": ["110"]}, "partners.120.numbers"),
        ({"name": "急\0救", "numbers": ["120"]}, ""),
    ],
)
async def test_what_cannot_be_is_named_and_changes_nothing(
    entry: dict[str, Any], field: str
) -> None:
    book = partners(MemoryVersions())
    with pytest.raises(BadDocument) as caught:
        await book.put("partners", "120", entry, who="9001")
    assert caught.value.field == field
    assert str(caught.value)
    assert book.version == 0


async def test_nobody_overwrites_what_he_has_not_seen() -> None:
    versions = MemoryVersions()
    here, there = partners(versions), partners(versions)
    await here.put("partners", "119", {"name": "消防", "numbers": ["119"]}, who="9001")
    with pytest.raises(StaleDocument):
        await there.put("partners", "110", None, who="9002", expected=0)
    assert there.version == 1, "it has seen it now"
    with pytest.raises(UnknownEntry):
        await there.put("partners", "114", None, who="9002")
    with pytest.raises(UnknownEntry):
        await there.put("wires", "110", {}, who="9002")


async def test_a_change_that_came_while_another_was_read_is_not_overwritten() -> None:
    loop, reading, read = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

    def check(document: PartnersDocument) -> None:
        if "119" in document.partners:
            loop.call_soon_threadsafe(reading.set)
            assert read.wait(10)

    form = ModelForm("partners", PartnersDocument, ("partners", "experts"), check, slow=True)
    book = partners(MemoryVersions(), form=form)
    fire = {"name": "消防", "numbers": ["119"]}
    late = asyncio.create_task(book.put("partners", "119", fire, who="9001", expected=0))
    async with asyncio.timeout(10):
        await reading.wait()

    await book.put("partners", "110", None, who="9002", expected=0)
    read.set()

    with pytest.raises(StaleDocument):
        await late
    assert book.version == 1
    assert book.value.partners == {}


async def test_a_version_that_was_overtaken_while_it_was_stored_stays_overtaken() -> None:
    class Overtaking(MemoryVersions):
        async def add(self, version: Version) -> bool:
            added = await super().add(version)
            await super().add(Version(2, 2.0, "9002", None))
            await book.load()
            return added

    trail = Trail()
    book = partners(Overtaking(), trail=trail)
    await book.put("partners", "110", None, who="9001")
    assert (book.version, book.changed) == (2, False)
    assert list(book.value.partners) == ["110"]
    assert trail.entries[0][3]["version"] == 1, "it was made nevertheless"


async def test_another_node_hears_of_a_change() -> None:
    bus, versions = EventBus(), MemoryVersions()
    here, there = partners(versions, bus=bus), partners(versions, bus=bus)
    changed = asyncio.Event()
    there.on_change = changed.set
    keeper = DocumentKeeper([there], bus=bus)
    await keeper.start()
    await here.put("partners", "110", None, who="9001")
    async with asyncio.timeout(10):
        await changed.wait()
    assert there.value.partners == {}
    await keeper.close()


async def test_a_missed_event_is_made_up_for() -> None:
    versions = MemoryVersions()
    here, there = partners(versions), partners(versions)
    changed = asyncio.Event()
    there.on_change = changed.set
    keeper = DocumentKeeper([there], bus=EventBus(), look_seconds=0.01)
    await keeper.start()
    await here.put("partners", "110", None, who="9001")
    async with asyncio.timeout(10):
        await changed.wait()
    assert "110" not in there.value.partners
    await keeper.close()


async def test_an_older_programs_document_leaves_the_one_in_force() -> None:
    versions = MemoryVersions()
    book = partners(versions)
    await versions.add(Version(1, 1.0, "9001", {"partners": {"110": {"colour": "red"}}}))
    await book.load()
    assert (book.version, book.unusable) == (0, 1)
    assert book.value.partners["110"].name == "公安"

    await book.replace(None, who="9001", expected=0)

    assert (book.version, book.unusable) == (2, None), "it can be changed nevertheless"
    await book.put("partners", "110", None, who="9001", expected=2)
    assert book.version == 3


async def test_the_database_keeps_documents_apart(database_url: str) -> None:
    engine = open_engine(database_url)
    await migrate(engine)
    ours, others = SqlVersions(engine, "partners"), SqlVersions(engine, "urgency")
    assert await ours.latest() is None
    first = Version(1, 1.5, "9001", {"text": "一"})
    assert await ours.add(first)
    assert not await ours.add(first), "the number is taken"
    assert await others.add(Version(1, 2.5, "9002", None))
    assert await ours.latest() == await ours.get(1) == first
    assert await others.latest() == Version(1, 2.5, "9002", None)
    assert await ours.get(2) is None
    await engine.dispose()


RULE = '[[rule]]\nlevel = "紧急"\nkind = "突发"\nreason = "塌方"\nany = ["塌方"]\n'


@pytest.mark.parametrize(
    "form, text, format_, field",
    [
        (URGENCY, "[[rule]]\nlevel = \n", "toml", "text:2"),
        (URGENCY, RULE + RULE.replace("紧急", "很急"), "toml", "text:6"),
        (URGENCY, RULE.replace('"塌方"]', '"("]'), "toml", "text:1"),
        (URGENCY, "", "toml", "text"),
        (TEMPLATES, '[[topic]]\nname = "x"\n', "toml", "text"),
        (TEMPLATES, '[[topic]]\nid = "a"\nname = "x"\n', "toml", "text:2"),
        (TEMPLATES, "rule = 1", "toml", "text"),
        (CATEGORIES, "[市容", "toml", "text:1"),
        (CATEGORIES, "一级,二级\n市容,路灯\n,井盖\n", "csv", "text:3"),
        (CATEGORIES, "x", "xml", "format"),
        (GAZETTEER, "name,kind\n锦都花园,小区\nx,路\n锦都,小区\n路,路\n", "csv", "text:3"),
        (GAZETTEER, "街道\n", "csv", "text:1"),
        (GAZETTEER, 'name\n"锦都', "csv", "text:2"),
        (GAZETTEER, "name\n\0", "csv", "text"),
    ],
)
def test_a_fault_of_a_text_is_named_with_its_line(
    form: Any, text: str, format_: str, field: str
) -> None:
    with pytest.raises(BadDocument) as caught:
        form.read({"text": text, "format": format_})
    assert caught.value.field == field, str(caught.value)


def test_every_wrong_row_of_a_gazetteer_is_named() -> None:
    with pytest.raises(BadDocument) as caught:
        GAZETTEER.read({"text": "名称,类别\nx,路\n锦都,小区\ny,路\n"})
    assert [line.split(": ")[0] for line in str(caught.value).splitlines()] == ["text:2", "text:4"]


@pytest.mark.parametrize(
    "form, name, least",
    [
        (URGENCY, "urgency.toml", {"rules": 10}),
        (TEMPLATES, "templates.toml", {"topics": 10, "questions": 30}),
        (CATEGORIES, "categories.toml", {"categories": 15, "topics": 40, "words": 500}),
    ],
)
def test_the_shipped_texts_can_be_edited(form: Any, name: str, least: dict[str, int]) -> None:
    document = {"text": (SHIPPED / name).read_text(encoding="utf-8"), "format": "toml"}
    value = form.read(document)
    assert form.write(value) == document
    counts = form.counts(value)
    assert all(counts[key] >= number for key, number in least.items()), counts


def test_the_trail_tells_the_lines_of_a_text_that_differ() -> None:
    before = {"text": "name\n锦都花园\n临顿路\n"}
    after = {"text": "name\n临顿路\n\n" + "".join(f"金阊{n}路\n" for n in range(TOLD_LINES + 5))}
    told = GAZETTEER.difference(before, after)
    assert told["before"] == ["锦都花园"]
    assert len(told["after"]) == TOLD_LINES + 1
    assert told["after"][-1] == "… 5"


def test_a_table_tells_what_differs() -> None:
    form = ModelForm("partners", PartnersDocument, ("partners", "experts"))
    told = form.difference(CONFIGURED, {"partners": {}, "experts": {}})
    assert told == {"before": {"partners": {"110": POLICE}}, "after": {"partners": {}}}
    assert form.counts(form.read(CONFIGURED)) == {"partners": 1, "experts": 0}
