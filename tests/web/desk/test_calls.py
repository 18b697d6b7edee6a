"""What an agent does with a call from the page, by mouse and by keyboard."""

from dataclasses import replace

import pytest
from playwright.async_api import Browser, Page, expect

from agents.presence import Input
from calls.errors import UnknownCall
from tests.support.browser import Window, window
from tests.support.waiting import until
from tests.web.desk.conftest import SECONDS
from tests.web.desk.page import ready, source, value
from tests.web.desk.scene import busy, keep
from tests.web.fake_people import PASSWORD, WRAP_UP_SECONDS
from tests.web.house import House
from web.server import WebServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

FITS = """() => [...document.querySelectorAll("button, input, select, textarea, .card")]
  .filter((e) => e.getClientRects().length && !e.closest(".today, .help, dialog"))
  .filter((e) => { const r = e.getBoundingClientRect();
    const card = e.closest(".card")?.getBoundingClientRect();
    return r.left < 0 || r.top < 0 || r.right > innerWidth || r.bottom > innerHeight
      || (card && r.right > card.right); })
  .map((e) => e.dataset.testid || e.className)"""


async def talking(house: House, page: Page) -> str:
    """Let the agent be in a call; return the ticket's id."""
    await ready(page)
    house.calls.offer("c1", "1001")
    ticket_id = house.calls.answer("c1")
    await expect(page.get_by_test_id("call-state")).to_have_text("通话中")
    return ticket_id


async def asked(house: House, *what: str) -> None:
    """Wait until the service has been asked for this."""
    await until(lambda: what in house.calls.asked, SECONDS)


async def test_hold_and_mute_show_what_is_in_force(house: House, opened: Window) -> None:
    page = opened.page
    await talking(house, page)
    for button, attribute in (("hold", "held_by"), ("mute", "muted")):
        await page.get_by_test_id(button).click()
        await expect(page.get_by_test_id(button)).to_have_attribute("aria-pressed", "true")
        assert getattr(house.calls.view("c1"), attribute)
    await expect(page.get_by_test_id("call-state")).to_have_text("保持中")
    await page.reload()  # the snapshot tells it again
    await expect(page.get_by_test_id("mute")).to_have_attribute("aria-pressed", "true")
    await expect(page.get_by_test_id("call-state")).to_have_text("保持中")
    for button in ("hold", "mute"):
        await page.get_by_test_id(button).click()
        await expect(page.get_by_test_id(button)).to_have_attribute("aria-pressed", "false")
    await expect(page.get_by_test_id("call-state")).to_have_text("通话中")


async def test_one_key_to_the_police(house: House, opened: Window) -> None:
    page = opened.page
    await ready(page)
    house.calls.offer("c0", "1001")  # a phone that only a hand answers
    await expect(page.get_by_test_id("call-state")).to_have_text("振铃中 · 请摘机")
    await expect(page.get_by_test_id("answer")).to_be_hidden()
    house.calls.answer("c0")
    house.calls.end("c0")
    house.floor.put("1001", Input.END_WRAP_UP)
    house.calls.offer("c1", "1001", by_click=True)
    await expect(page.get_by_test_id("call-state")).to_have_text("振铃中 · 请接听")
    await page.keyboard.press("Alt+a")
    await expect(page.get_by_test_id("call-state")).to_have_text("通话中")
    await page.get_by_test_id("police").click()
    await expect(page.get_by_test_id("transfer-to")).to_have_text("公安报警 110")
    assert house.calls.asked == [("c1", "partner:110", "blind", "1001")]
    await expect(page.get_by_test_id("police")).to_be_disabled()
    house.calls.tell_transfer("c1", "failed", "partner:110", "blind")
    await expect(page.get_by_test_id("transfer")).to_be_hidden()
    await expect(page.get_by_test_id("transfer-failed")).to_contain_text("公安报警 110")


async def consults_by_keyboard(house: House, page: Page) -> None:
    keyboard = page.keyboard
    await keyboard.press("Alt+t")
    await expect(page.get_by_test_id("directory-search")).to_be_focused()
    await keyboard.type("gabj")  # pinyin initials
    await expect(page.get_by_test_id("directory-entry")).to_have_count(1)
    await keyboard.press("Enter")
    await expect(page.get_by_test_id("transfer-stage")).to_have_text("咨询中")
    for letter, step in (("w", "swap"), ("j", "merge"), ("x", "cancel")):
        await keyboard.press(f"Alt+{letter}")
        await asked(house, "c1", step)
    await expect(page.get_by_test_id("transfer")).to_be_hidden()
    await keyboard.press("Alt+k")
    await expect(page.get_by_test_id("keypad")).to_be_visible()
    await keyboard.press("5")
    await asked(house, "c1", "keys", "5")
    await keyboard.press("Escape")


async def fills_by_keyboard(page: Page) -> None:
    keyboard = page.keyboard
    await expect(page.get_by_test_id("missing")).to_contain_text("还缺 6 项")
    await keyboard.press("Alt+q")
    await expect(page.get_by_test_id("field-name")).to_be_focused()
    await keyboard.type("张")
    await page.get_by_test_id("field-category").focus()
    await keyboard.type("ludeng")
    await expect(page.get_by_test_id("suggestions-category")).to_contain_text("道路设施")
    await keyboard.press("Enter")
    await value(page, "category", "道路设施")
    await source(page, "category", "人工")
    await page.get_by_test_id("field-address").focus()
    await keyboard.type("平江街道ld")
    await expect(page.get_by_test_id("suggestions-address")).to_contain_text("临顿路")
    await keyboard.press("Enter")
    await value(page, "address", "平江街道临顿路")


async def test_a_shift_by_keyboard_only(house: House, opened: Window) -> None:
    """From sign-in to the submitted ticket, with a consultation, and no mouse."""
    page, keyboard = opened.page, opened.page.keyboard
    await expect(page.get_by_test_id("agent-id")).to_be_focused()
    await keyboard.type("1001")
    await keyboard.press("Tab")
    await keyboard.type(PASSWORD)
    await keyboard.press("Enter")
    await expect(page.get_by_test_id("agent-name")).to_have_text("王芳")
    await expect(page.get_by_test_id("ready")).to_be_enabled()
    await keyboard.press("Alt+r")
    await expect(page.get_by_test_id("state-name")).to_have_text("示闲")
    await keyboard.press("?")
    await expect(page.get_by_test_id("shortcuts-sheet")).to_contain_text("转110")
    await keyboard.press("Escape")
    house.calls.offer("c1", "1001")
    ticket_id = house.calls.answer("c1")
    await expect(page.get_by_test_id("call-state")).to_have_text("通话中")

    await consults_by_keyboard(house, page)
    await fills_by_keyboard(page)
    await keyboard.press("Alt+u")
    await expect(page.get_by_test_id("state-name")).to_have_text("话后整理")
    await expect(page.get_by_test_id("submit")).to_be_enabled()
    await keyboard.press("Alt+s")
    await expect(page.get_by_test_id("ticket-status")).to_have_text("已提交")
    ticket = await house.calls.ticket(ticket_id)
    assert ticket is not None
    assert ticket["fields"]["address"]["value"] == "平江街道临顿路"
    assert ticket["fields"]["category"]["value"] == "道路设施"


async def test_what_is_in_no_list_is_no_category(house: House, opened: Window) -> None:
    page = opened.page
    ticket_id = await talking(house, page)
    house.calls.hear(ticket_id, "category", "消防安全", "着火")
    await value(page, "category", "消防安全")
    await page.get_by_test_id("field-category").fill("没有这一类")
    await page.get_by_test_id("field-category").blur()
    await value(page, "category", "消防安全")


async def test_what_is_urgent_or_doubtful_is_marked(house: House, opened: Window) -> None:
    page = opened.page
    ticket_id = await talking(house, page)
    house.calls.say("c1", "caller", "锦都花园着火了", 1.0, 2.0, doubtful=("锦都",))
    await expect(page.get_by_test_id("word-doubtful")).to_have_text("锦都")
    for name, heard in (("urgency", "特急"), ("urgency_reason", "突发：火情"), ("transfer", "119")):
        house.calls.hear(ticket_id, name, heard, "着火")
    await expect(page.get_by_test_id("word-urgent")).to_have_text("着火")
    await expect(page.get_by_test_id("urgent")).to_contain_text("突发：火情")
    await expect(page.get_by_test_id("urgent-transfer")).to_have_text("一键转119")


async def test_a_ringing_call_shows_earlier_tickets(house: House, opened: Window) -> None:
    page = opened.page
    await ready(page)
    ticket_id = await house.finished_call("c0", "1001")
    house.calls.hear(ticket_id, "urgency", "紧急", "着火")
    await house.floor.end_wrap_up("1001")
    house.calls.offer("c1", "1001")
    await expect(page.get_by_test_id("earlier")).to_contain_text("紧急")
    await expect(page.get_by_test_id("hang-up")).to_have_text("拒接")
    await page.get_by_test_id("today-calls").click()
    await expect(page.get_by_test_id("today-call")).to_have_count(1)
    house.calls.answer("c1")
    house.calls.end("c1")
    await expect(page.get_by_test_id("today-call")).to_have_count(2)
    with pytest.raises(UnknownCall):
        house.calls.view("c1")


async def test_the_recording_is_paused_and_goes_on(house: House, opened: Window) -> None:
    page = opened.page
    await talking(house, page)
    for paused in (True, False):
        await page.get_by_test_id("pause-recording").click()
        pressed = str(paused).lower()
        await expect(page.get_by_test_id("pause-recording")).to_have_attribute(
            "aria-pressed", pressed
        )
        assert house.calls.paused == {"c1": paused}


async def test_a_lost_connection_stops_the_controls_and_keeps_what_is_being_typed(
    house: House, opened: Window, server: WebServer
) -> None:
    page = opened.page
    assert server.address is not None
    served = server.address
    await talking(house, page)
    await page.get_by_test_id("field-content").focus()
    await page.keyboard.type("路灯")
    await server.close()
    await expect(page.get_by_test_id("banner-lost")).to_be_visible()
    for part in ("hold", "mute", "police", "open-directory", "hang-up"):
        await expect(page.get_by_test_id(part)).to_be_disabled()
    await page.keyboard.type("不亮")
    await server.start(*served)
    await expect(page.get_by_test_id("banner-lost")).to_have_count(0)
    await expect(page.get_by_test_id("hold")).to_be_enabled()
    await page.keyboard.type("三天了")
    await value(page, "content", "路灯不亮三天了")
    await expect(page.get_by_test_id("field-content")).to_be_focused()


@pytest.mark.parametrize("size", [(1366, 768), (1920, 1080)], ids=str)
async def test_everything_is_on_the_screen(
    house: House, browser: Browser, served: tuple[str, int], size: tuple[int, int]
) -> None:
    async with window(
        browser, f"http://{served[0]}:{served[1]}/", size=size, seconds=SECONDS
    ) as opened:
        page = opened.page
        await busy(house, page)
        assert await page.evaluate(FITS) == []
        await keep(page, f"desktop-{size[0]}")
        await page.get_by_test_id("open-keypad").click()
        await page.get_by_test_id("open-directory").click()
        await expect(page.get_by_test_id("directory-entry").first).to_be_visible()
        assert await page.evaluate(FITS) == []
        await page.get_by_test_id("call-consult").first.click()
        await expect(page.get_by_test_id("transfer-swap")).to_be_visible()
        assert await page.evaluate(FITS) == []
        await keep(page, f"desktop-full-{size[0]}")
        house.calls.tell_transfer("c1", "cancelled", "partner:110", "consult")
        house.calls.end("c1")
        await expect(page.get_by_test_id("extend-wrap-up")).to_be_visible()
        assert await page.evaluate(FITS) == []
        assert opened.errors == []


async def test_wrap_up_is_put_off_once(house: House, opened: Window) -> None:
    page = opened.page
    await talking(house, page)
    house.calls.end("c1")
    await page.get_by_test_id("extend-wrap-up").click()
    await expect(page.get_by_test_id("extend-wrap-up")).to_be_hidden()
    presence = await house.floor.presence("1001")
    assert presence is not None
    assert presence.wrap_up_until is not None
    assert presence.wrap_up_until - presence.since > WRAP_UP_SECONDS
    await page.get_by_test_id("end-wrap-up").click()
    await expect(page.get_by_test_id("state-name")).to_have_text("示闲")


async def test_a_guest_of_a_conference_is_let_go(house: House, opened: Window) -> None:
    page = opened.page
    await talking(house, page)
    await house.calls.transfer("c1", "partner:110", "consult", agent_id="1001")
    guest = {"id": "p1-1.0", "name": "agent:1002", "role": "guest"}
    view = replace(house.calls.view("c1"), transfer_stage="merged", parties=(guest,))
    house.calls.change(view)
    house.calls.tell_transfer("c1", "merged", "partner:110", "consult")
    await expect(page.get_by_test_id("transfer-stage")).to_have_text("三方通话")
    await expect(page.get_by_test_id("open-directory")).to_be_enabled()  # there may be more
    await page.get_by_test_id("drop").click()
    await asked(house, "c1", "drop", "p1-1.0")
