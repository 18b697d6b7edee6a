"""The pages of leaders, inspectors and administrators, and what axe-core says of every page."""

import os
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Browser, FilePayload, Page, Route, expect

from tests.support.axe import findings
from tests.support.browser import chromium, window
from tests.support.waves import mono_wav
from tests.web.fake_calls import wav
from tests.web.fake_oversight import FakeFinder, FakeStatistics, a_day
from tests.web.fake_people import PASSWORD, Clock
from tests.web.house import House
from tickets.help.knowledge import Entry
from web.server import WebServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

WALL = (1920, 1080)
DESK = (1366, 768)


class WallClock(Clock):
    def __call__(self) -> float:
        return time.time()


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path, clock=WallClock())


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def base(house: House) -> AsyncIterator[str]:
    """A house in the middle of its day, on a real server."""
    assert isinstance(house.oversight.statistics, FakeStatistics)
    assert isinstance(house.oversight.finder, FakeFinder)
    house.oversight.statistics.floor = a_day(time.time())
    await house.finished_call("c1", "1001")
    (house.folder / "c1.wav").write_bytes(wav(seconds=4))
    record = await house.calls.call("c1")
    assert record is not None
    house.oversight.finder.calls = [{**record, "category": "市容管理", "score": 95}]
    entry = Entry(
        "luding", "路灯", "道路设施", "城管局", "报修后 24 小时内到场", ("路灯",), (), None
    )
    await house.knowledge.put(entry, who="9001")
    server = WebServer(house.app)
    await server.start("127.0.0.1", 0)
    assert server.address is not None
    yield f"http://{server.address[0]}:{server.address[1]}"
    await server.close()


async def sign_in(page: Page, who: str) -> None:
    await page.get_by_test_id("agent-id").fill(who)
    await page.get_by_test_id("password").fill(PASSWORD)
    await page.get_by_test_id("sign-in").click()


async def keep(page: Page, name: str) -> None:
    """Keep a picture of the page where somebody asks for it."""
    if folder := os.environ.get("HOTLINE_SCREENSHOTS"):
        await page.screenshot(path=Path(folder) / f"{name}.png")


async def test_the_wall_shows_everything_without_scrolling(browser: Browser, base: str) -> None:
    async with window(browser, f"{base}/wall", size=WALL, seconds=20) as opened:
        page = opened.page
        assert await findings(page) == []
        await sign_in(page, "2001")
        await expect(page.get_by_test_id("big-waiting").locator("strong")).to_have_text("7")
        await expect(page.get_by_test_id("big-connected")).to_contain_text(re.compile(r"\d+ / \d+"))
        await expect(page.get_by_test_id("alarm")).to_have_text("服务正常")
        await expect(page.get_by_test_id("wall")).to_contain_text("城厢镇")
        await expect(page.get_by_test_id("wall")).to_contain_text("燃气泄漏")
        assert await page.evaluate(_FITS)
        assert await page.evaluate(_SMALLEST) >= 20
        assert await findings(page) == []
        await keep(page, "wall")
        assert opened.errors == []


_FITS = """() => document.documentElement.scrollHeight <= innerHeight
  && document.documentElement.scrollWidth <= innerWidth"""
_SMALLEST = """() => Math.min(...[...document.querySelectorAll('.wall *')]
  .filter((one) => [...one.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()))
  .filter((one) => !one.closest('svg'))
  .map((one) => parseFloat(getComputedStyle(one).fontSize)))"""


async def test_a_leader_sees_the_floor_and_forces_a_state(
    browser: Browser, base: str, house: House
) -> None:
    async with window(browser, f"{base}/team", size=DESK, seconds=20) as opened:
        page = opened.page
        await sign_in(page, "2001")
        floor = page.get_by_test_id("floor")
        await expect(floor).to_contain_text("坐席1001")
        await keep(page, "team")
        assert await findings(page) == []
        row = floor.locator("tr", has_text="坐席1001")
        await row.get_by_role("button", name="置忙").click()
        await expect(page.locator("#note")).to_have_text("已完成")
        presence = await house.floor.presence("1001")
        assert presence is not None
        assert presence.reason == "break"
        await page.get_by_test_id("tab-reports").click()
        await expect(page.get_by_test_id("report")).to_contain_text("接通率")
        await expect(page.get_by_test_id("report")).to_contain_text("城管局")
        # no percentage without what it is of: the line's share, and the partner's unit in time
        for share in ("100.0% (10 / 10)", "100.0% (1 / 1)"):
            await expect(page.get_by_test_id("report")).to_contain_text(share)
        await keep(page, "reports")
        assert await findings(page) == []
        assert opened.errors == []


async def test_an_inspector_hears_sees_and_judges_a_call(
    browser: Browser, base: str, house: House
) -> None:
    async with window(browser, f"{base}/team", size=DESK, seconds=20) as opened:
        page = opened.page
        await sign_in(page, "3001")
        await expect(page.get_by_test_id("tab-floor")).to_have_count(0)
        await page.get_by_test_id("open-call").click()
        await expect(page.get_by_test_id("transcript")).to_contain_text("我的电话是")
        await expect(page.get_by_test_id("waveform")).to_be_visible()
        await expect(page.get_by_test_id("watermark")).to_contain_text("3001")
        await page.get_by_label("结束语 (0–5)").fill("2")
        await page.get_by_test_id("assess").click()
        await expect(page.get_by_test_id("assessments")).to_contain_text("97 / 100")
        await keep(page, "inspection")
        assert await findings(page) == []
        assert (await house.oversight.quality.of("c1"))[0]["who"] == "3001"
        actions = {entry["action"] for entry in house.audit.entries if entry["who"] == "3001"}
        assert actions >= {"call.search", "transcript.view", "call.assess"}
        assert opened.errors == []


async def test_an_administrator_changes_an_account(
    browser: Browser, base: str, house: House
) -> None:
    async with window(browser, f"{base}/admin", size=DESK, seconds=20) as opened:
        page = opened.page
        await sign_in(page, "9001")
        await page.get_by_label("角色 1002").select_option("inspector")
        await page.get_by_test_id("save-1002").click()
        await expect(page.locator("#note")).to_have_text("已保存")
        assert house.accounts.people["1002"].role == "inspector"
        await keep(page, "admin")
        for tab in ("knowledge", "ladders", "trail", "accounts", "health"):
            await page.get_by_test_id(f"tab-{tab}").click()
            await expect(page.locator("#panel")).not_to_be_empty()
            if tab == "knowledge":
                entry = (
                    "---\ntitle: 门诊报销\ncategory: 社会保障\nsource: 医保局\n---\n凭社保卡办理。"
                )
                payload: list[FilePayload] = [
                    {"name": f"{name}.md", "mimeType": "text/markdown", "buffer": text.encode()}
                    for name, text in (("menzhen", entry), ("wrong", "没有前言"))
                ]
                await page.get_by_test_id("knowledge-files").set_input_files(payload)
                imported = page.get_by_test_id("knowledge-import").locator("li")
                await expect(imported).to_have_text([re.compile("第 1 版"), re.compile("wrong: ")])
            if tab == "health":
                alarms = page.get_by_test_id("alarms")
                await expect(alarms).to_contain_text("sbc-2: no answer to OPTIONS")
                await expect(page.get_by_test_id("health")).to_contain_text("node-2")
                await keep(page, "health")
            assert await findings(page) == [], tab
        await page.get_by_test_id("tab-trail").click()
        await expect(page.get_by_test_id("trail")).to_contain_text("account.change")
        assert opened.errors == []


CALL_BACK = {
    "id": 7,
    "number": "138****1001",
    "line": "12345",
    "reason": "abandoned",
    "status": "open",
    "call_id": "c1",
    "calls": 2,
    "attempts": 1,
    "first_at": 1.76e9,
    "last_at": 1.76e9,
    "due_at": 1.76e9,
}
HANDOVER = {
    "id": 3,
    "partner": "110",
    "direction": "in",
    "kind": "ticket",
    "number": "JQ-77",
    "state": "arrived",
    "created_at": 1.76e9,
    "changed_at": 1.76e9,
    "alarmed": False,
}


async def answers(page: Page, path: str, *bodies: object) -> list[tuple[str, str, object]]:
    """Answer the page's requests below a path; returns what the page asked to be changed."""
    asked: list[tuple[str, str, object]] = []
    left = list(bodies)

    async def answer(route: Route) -> None:
        request = route.request
        if request.method == "GET":
            await route.fulfill(json=left.pop(0) if len(left) > 1 else left[0])
        else:
            place = urlsplit(request.url)
            asked.append(
                (request.method, place.path.removeprefix("/api/v1"), request.post_data_json)
            )
            await route.fulfill(json={})

    await page.route(f"**/api/v1{path}**", answer)
    return asked


async def test_leaders_work_the_call_back_list_and_the_exchange(
    browser: Browser, base: str
) -> None:
    async with window(browser, f"{base}/team", size=DESK, seconds=20) as opened:
        page = opened.page
        back = await answers(page, "/callbacks", {"items": [CALL_BACK]}, {"items": []})
        exchanged = await answers(page, "/exchange", {"items": [HANDOVER]}, {"items": []})
        await sign_in(page, "2001")
        await page.get_by_test_id("tab-callbacks").click()
        await expect(page.get_by_test_id("callbacks")).to_contain_text("138****1001")
        assert await findings(page) == []
        await page.get_by_label("结果").select_option("reached")
        await page.get_by_role("button", name="结束").click()
        await expect(page.locator("#note")).to_have_text("已完成")
        assert back == [("POST", "/callbacks/7/close", {"outcome": "reached"})]
        await page.get_by_test_id("tab-exchange").click()
        await expect(page.get_by_test_id("exchange")).to_contain_text("JQ-77")
        assert await findings(page) == []
        await page.get_by_placeholder("原因").fill("需要出警")
        async with page.expect_response("**/exchange/3/decision"):
            await page.get_by_role("button", name="退回").click()
        sent = {"accepted": False, "reason": "需要出警"}
        assert exchanged == [("POST", "/exchange/3/decision", sent)]
        assert opened.errors == []


async def test_administrators_change_lines_and_rules_in_forms(
    browser: Browser, base: str, house: House
) -> None:
    async with window(browser, f"{base}/admin", size=DESK, seconds=20) as opened:
        page = opened.page
        note, form = page.locator("#note"), page.get_by_test_id("entry-form")
        await sign_in(page, "9001")

        # a line: what is wrong stands at its field, and the keyboard is there
        await page.get_by_test_id("tab-routing").click()
        await page.get_by_test_id("new-lines").click()
        line = page.get_by_test_id("section-lines").locator(form)
        await expect(line.get_by_label("被叫号码")).to_be_focused()
        await page.keyboard.type("12345")
        hours = line.get_by_label("服务时间", exact=True)
        await hours.fill("25:00-26:00")
        await page.keyboard.press("Enter")
        await expect(hours).to_be_focused()
        await expect(hours).to_have_attribute("aria-invalid", "true")
        await expect(line.get_by_role("alert").filter(has_text="格式不对")).to_be_visible()
        assert await findings(page) == []
        await hours.fill("1-5 08:30-17:30、6 09:00-12:00")
        await line.get_by_label("语言").fill("english")
        await page.keyboard.press("Enter")
        await expect(note).to_have_text("已保存")
        kept = house.routing.settings.lines["12345"]
        assert (kept.hours, kept.language) == (("1-5 08:30-17:30", "6 09:00-12:00"), "english")
        changes = page.get_by_test_id("changes")
        await expect(changes).to_contain_text("lines.12345")
        general = page.get_by_test_id("section-general")
        await general.get_by_role("textbox", name="节假日").fill("2027-01-01\n2027-02-06")
        await general.get_by_role("button", name="保存").click()
        await expect(changes).to_contain_text("2027-02-06")
        assert len(house.routing.settings.holidays) == 2
        await keep(page, "routing")

        # a rule's steps, and Escape that goes back to where one was
        await page.get_by_test_id("edit-rules-usual").click()
        await form.get_by_role("button", name="添加一步").click()
        await page.keyboard.type("90")
        await form.get_by_role("button", name="保存").last.click()
        await expect(changes).to_contain_text("rules.usual")
        assert house.routing.settings.rules["usual"].steps[-1].after == 90
        await page.get_by_test_id("edit-rules-usual").click()
        await page.keyboard.press("Escape")
        await expect(page.get_by_test_id("edit-rules-usual")).to_be_focused()
        assert await findings(page) == []
        assert opened.errors == []


def recording(octets: bytes) -> FilePayload:
    """A file that somebody chooses."""
    return {"name": "a.wav", "mimeType": "audio/wav", "buffer": octets}


async def _working_days(page: Page, house: House) -> None:
    await page.get_by_test_id("tab-handling").click()
    days = page.get_by_test_id("document-handling")
    await days.get_by_label("另外的工作日").fill("2027-02-20")
    await days.get_by_label("另外的休息日").fill("2027-02-20")
    await days.get_by_role("button", name="保存").click()
    await expect(days.get_by_role("alert").filter(has_text="不能既休息又上班")).to_be_visible()
    await days.get_by_label("另外的休息日").fill("2027-02-11、2027-02-12")
    await days.get_by_role("button", name="保存").click()
    await expect(page.get_by_test_id("changes")).to_contain_text("2027-02-12")
    assert len(house.documents["handling"].value.holidays) == 2
    await keep(page, "handling")
    assert await findings(page) == []


async def _rows_of_texts(page: Page, house: House) -> None:
    form = page.get_by_test_id("entry-form")
    rules = page.get_by_test_id("section-rule")
    await expect(rules).to_contain_text("火情或爆炸")
    await rules.get_by_role("button", name="编辑 特急 · 火情或爆炸").first.click()
    await form.get_by_label("命中词（任一）").fill("着火(?!锅)\n(")
    await form.get_by_role("button", name="保存").click()
    await expect(form.get_by_role("alert").filter(has_text="不是正确的正则表达式")).to_be_visible()
    await expect(form.get_by_label("命中词（任一）")).to_be_focused()
    assert await findings(page) == []
    await keep(page, "urgency")
    await form.get_by_label("命中词（任一）").fill("着火(?!锅)")
    await form.get_by_role("button", name="保存").click()
    await expect(page.get_by_test_id("changes")).to_contain_text("着火(?!锅)")
    await rules.get_by_role("button", name="上移 特急 · 火情或爆炸").first.click()
    await expect(rules.get_by_role("row").nth(1)).to_contain_text("火情或爆炸")
    assert house.documents["urgency"].value.says.judge("店里着火了").transfer == "119"
    await page.get_by_test_id("text-templates").click()
    await page.get_by_role("button", name="编辑 噪音扰民").click()
    await form.get_by_role("button", name="添加问题").click()
    await page.keyboard.type("有录像吗？")
    await form.get_by_role("button", name="保存").click()
    await expect(form.get_by_role("alert").filter(has_text="请填写标志")).to_be_visible()
    await keep(page, "templates")
    await form.get_by_label("已说到的标志").last.fill("录像|视频")
    await form.get_by_role("button", name="保存").click()
    await expect(page.get_by_test_id("changes")).to_contain_text("有录像吗")
    await page.get_by_test_id("text-categories").click()
    await page.get_by_test_id("search-category").fill("路灯不亮")
    await page.get_by_role("button", name="编辑 道路设施 · 路灯").click()
    await keep(page, "categories")
    assert await findings(page) == []


async def test_administrators_change_partners_and_texts(
    browser: Browser, base: str, house: House, tmp_path: Path
) -> None:
    async with window(browser, f"{base}/admin", size=DESK, seconds=20) as opened:
        page = opened.page
        form = page.get_by_test_id("entry-form")
        await sign_in(page, "9001")

        # a partner: numbers in order, and what may go to him
        await page.get_by_test_id("tab-partners").click()
        await page.get_by_test_id("edit-partners-110").click()
        await form.get_by_label("号码（按呼叫顺序）").fill("110、051253530110")
        await form.get_by_label("诉求内容").check()
        await form.get_by_role("button", name="保存").click()
        await expect(page.get_by_test_id("changes")).to_contain_text("partners.110")
        police = house.documents["partners"].value.partners["110"]
        assert police.numbers == ("110", "051253530110")
        assert police.shares == ("name", "address", "content")
        await keep(page, "partners")
        await _working_days(page, house)
        assert await findings(page) == []

        # a list of names as a spreadsheet writes it, with a fault
        await page.get_by_test_id("tab-texts").click()
        await _rows_of_texts(page, house)
        await page.get_by_test_id("as-text").click()
        await page.get_by_test_id("text-gazetteer").click()
        await expect(page.get_by_role("textbox", name="地名词表")).to_have_value("name,kind,also\n")
        wrong = tmp_path / "names.csv"
        wrong.write_bytes("名称,类别\n锦都花园,小区\nx,道路\n".encode("gb18030"))
        await page.get_by_test_id("text-file").set_input_files(wrong)
        await expect(page.get_by_test_id("text-error")).to_contain_text("第 3 行")
        text = page.get_by_test_id("text")
        await expect(text).to_be_focused()
        assert await findings(page) == []
        await text.fill("名称,类别\n锦都花园,小区\n临顿路,道路\n")
        await page.get_by_test_id("text-check").click()
        await expect(page.get_by_test_id("text-counts")).to_contain_text("2 个名称 · 2 类")
        await page.get_by_test_id("text-save").click()
        await expect(page.get_by_test_id("changes")).to_contain_text("临顿路,道路")
        assert "临顿路" in house.documents["gazetteer"].value.says.gazetteer.names
        await keep(page, "texts")

        # what callers hear: a wrong recording, and one that can be played
        await house.prompts.lay_out()
        await page.get_by_test_id("tab-prompts").click()
        shelf = page.get_by_test_id("prompts")
        await expect(shelf).to_contain_text("您好，这里是 12345")
        chosen = page.get_by_test_id("prompt-zh.welcome")
        await chosen.set_input_files(recording(mono_wav(1, channels=2)))
        await expect(shelf.get_by_role("alert").filter(has_text="有 2 个声道")).to_be_visible()
        await chosen.set_input_files(recording(mono_wav(2.5, rate=16000)))
        await expect(shelf).to_contain_text("本市录音")
        await expect(page.get_by_test_id("changes")).to_contain_text("recordings.zh.welcome")
        await shelf.get_by_role("button", name="试听 zh.welcome").click()
        await expect(shelf.locator("audio")).to_be_visible()
        await keep(page, "prompts")
        assert await findings(page) == []
        assert opened.errors == []


@pytest.mark.parametrize("path, who", [("/wall", "3001"), ("/team", "1001"), ("/admin", "2001")])
async def test_a_page_says_that_it_is_not_for_somebody(
    browser: Browser, base: str, path: str, who: str
) -> None:
    async with window(browser, f"{base}{path}", seconds=20) as opened:
        await sign_in(opened.page, who)
        await expect(opened.page.get_by_test_id("sign-in-error")).to_have_text(
            "您的账号不能使用此页面"
        )


async def test_axe_finds_nothing_serious_on_the_desktop_and_the_api_page(
    browser: Browser, base: str, house: House
) -> None:
    async with window(browser, f"{base}/", size=DESK, seconds=20) as opened:
        page = opened.page
        assert await findings(page) == []
        await sign_in(page, "1002")
        await expect(page.get_by_test_id("agent-name")).to_have_text("李强")
        await house.floor.set_ready("1002")
        house.calls.offer("c9", "1002")
        house.calls.answer("c9")
        house.calls.say("c9", "caller", "门口的路灯不亮了")
        await expect(page.get_by_test_id("utterance")).to_have_count(1)
        await expect(page.get_by_test_id("watermark")).to_contain_text("1002")
        assert await findings(page) == []
        await page.get_by_test_id("browser-phone").locator("summary").click()
        await page.keyboard.press("Alt+e")
        await expect(page.get_by_test_id("promise-dialog")).to_be_visible()
        assert await findings(page) == []
        await page.goto(f"{base}/api/docs")
        await expect(page.locator("details").first).to_be_visible()
        assert await findings(page) == []
