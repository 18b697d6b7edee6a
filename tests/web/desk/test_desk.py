"""The agent desktop in a real browser, on the real server, with the house's fakes behind it."""

import asyncio
import re
import time
from dataclasses import replace

import pytest
from playwright.async_api import Route, expect

from agents.presence import Input
from calls.ladders import Ladder
from eventbus.catalogue import (
    CallBackChanged,
    CallHelp,
    ServiceStatus,
    TranscriptFinal,
    TranscriptGap,
)
from telephony.sip.ladder import Rung
from tests.support.browser import Window
from tests.support.waiting import until
from tests.web.desk.page import ready, sign_in, source, value
from tests.web.fake_people import PASSWORD
from tests.web.house import House
from tickets.help.knowledge import Entry
from web.server import WebServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

Address = tuple[str, int]


async def test_a_call_from_sign_in_to_submitted_ticket(house: House, opened: Window) -> None:
    page = opened.page
    await ready(page)
    house.calls.offer("c1", "1001")
    await expect(page.get_by_test_id("state-name")).to_have_text("振铃")
    await expect(page.get_by_test_id("call-caller")).to_have_text("152****2668")
    ticket_id = house.calls.answer("c1")
    await expect(page.get_by_test_id("call-caller")).to_have_text("15250322668")
    await value(page, "phone", "15250322668")
    await source(page, "phone", "来电")

    house.calls.partial("c1", "caller", "我姓章我家门口")
    await expect(page.get_by_test_id("partial")).to_contain_text("我姓章我家门口")
    house.calls.say("c1", "caller", "我姓章我家门口的路灯不亮了", start=2, end=5)
    await expect(page.get_by_test_id("partial")).to_have_count(0)
    await expect(page.get_by_test_id("utterance")).to_contain_text("我姓章我家门口的路灯不亮了")
    for name, heard in (("name", "章"), ("type", "投诉"), ("category", "道路设施")):
        house.calls.hear(ticket_id, name, heard, "我姓章我家门口的路灯不亮了")
        await value(page, name, heard)
        await source(page, name, "听写")

    await page.get_by_test_id("field-name").fill("张伟")
    await source(page, "name", "人工")
    house.calls.hear(ticket_id, "name", "章先生")  # heard while he types
    house.calls.hear(ticket_id, "address", "人民路 8 号")
    await value(page, "address", "人民路 8 号")
    await value(page, "name", "张伟")
    await page.get_by_test_id("field-name").blur()
    await expect(page.get_by_test_id("save-state")).to_have_text("已保存")
    house.calls.hear(ticket_id, "name", "章")  # heard after he corrected it
    house.calls.hear(ticket_id, "party", "路灯所")
    await value(page, "party", "路灯所")
    await value(page, "name", "张伟")
    await page.get_by_test_id("field-urgency").select_option("紧急")
    await page.get_by_test_id("field-secret").check()
    await source(page, "secret", "人工")
    await expect(page.get_by_test_id("submit")).to_be_disabled()

    await page.get_by_test_id("hang-up").click()
    await expect(page.get_by_test_id("state-name")).to_have_text("话后整理")
    await expect(page.get_by_test_id("wrap-up-clock")).to_have_text(re.compile("00:[23].+"))
    await page.get_by_test_id("field-content").fill("门口路灯不亮")
    await page.get_by_test_id("submit").click()  # what he typed last is sent first
    await expect(page.get_by_test_id("ticket-status")).to_have_text("已提交")
    await expect(page.get_by_test_id("state-name")).to_have_text("示闲")
    await expect(page.get_by_test_id("today-ticket")).to_contain_text("门口路灯不亮")
    ticket = await house.calls.ticket(ticket_id)
    assert ticket is not None
    assert ticket["status"] == "submitted"
    stored = {name: (part["value"], part["source"]) for name, part in ticket["fields"].items()}
    assert stored["name"] == ("张伟", "agent")
    assert stored["urgency"] == ("紧急", "agent")
    assert stored["secret"] == (True, "agent")
    assert stored["content"] == ("门口路灯不亮", "agent")
    assert stored["address"] == ("人民路 8 号", "heard")


async def test_a_promised_call_is_made_when_it_is_due(house: House, opened: Window) -> None:
    page = opened.page
    await house.finished_call("c1", "1001")
    await sign_in(page)
    await page.get_by_test_id("today-ticket").click()
    await page.keyboard.press("Alt+e")
    await page.get_by_test_id("promise-at").fill("2020-01-01T09:00")
    await expect(page.get_by_test_id("promise-hint")).to_contain_text("请选择以后的时间")
    tomorrow = time.localtime(time.time() + 86400)
    await page.get_by_test_id("promise-at").fill(time.strftime("%Y-%m-%dT23:30", tomorrow))
    await expect(page.get_by_test_id("promise-hint")).to_contain_text("08:30-20:00")
    await page.get_by_test_id("promise-tomorrow").click()
    await expect(page.get_by_test_id("promise-hint")).to_be_empty()
    await page.get_by_test_id("promise-note").fill("补材料")
    await page.get_by_test_id("promise-send").click()
    await expect(page.get_by_test_id("promised")).to_contain_text("09:00 回拨 152****2668")
    await expect(page.get_by_test_id("promise-due")).to_be_hidden()
    (promise,) = house.call_backs.promised
    house.call_backs.promised[0] = replace(promise, at=1.0)
    house.bus.publish(
        CallBackChanged(
            at=time.time(),
            agent_id="1001",
            callback=4,
            number=promise.number,
            line="12345",
            reason="scheduled",
            status="open",
            calls=1,
            attempts=0,
        )
    )
    await expect(page.get_by_test_id("promise-due")).to_contain_text("补材料")
    await page.get_by_test_id("promise-due-call").click()
    await expect(page.get_by_test_id("called-back")).to_be_visible()
    assert house.call_backs.called == [(4, "1001")]


async def test_a_partners_ticket_is_taken_in_or_given_back_at_the_desk(
    house: House, opened: Window
) -> None:
    page = opened.page
    first = house.exchange.arrives("JQ1", matter={"content": "预付卡不退钱"})
    second = house.exchange.arrives("JQ2", matter={"content": "有人打架"})
    await sign_in(page)
    await expect(page.get_by_test_id("today-inbox-count")).to_have_text("2")
    await page.get_by_test_id("today-inbox").click()
    row = page.locator(f"[data-handover='{first}']")
    await expect(row).to_contain_text("预付卡不退钱")
    await row.get_by_test_id("handover-accept").click()
    await expect(page.get_by_test_id("handover")).to_have_count(1)
    await page.get_by_test_id("handover-give-back").click()
    await page.get_by_test_id("inbox-reason").fill("需要出警")
    await page.get_by_test_id("inbox-send").click()
    await expect(page.get_by_test_id("today-inbox-count")).to_have_text("0")
    assert house.exchange.asked == [
        ("decide", first, True, "", "1001"),
        ("decide", second, False, "需要出警", "1001"),
    ]


async def test_a_new_ticket_is_listed_and_nothing_counts_as_heard(
    house: House, opened: Window
) -> None:
    page = opened.page
    await ready(page)
    house.calls.offer("c1", "1001")
    ticket_id = house.calls.answer("c1")
    await expect(page.get_by_test_id("today-ticket")).to_contain_text("草稿")
    await value(page, "urgency", "普通")
    await source(page, "urgency", "")
    house.calls.hear(ticket_id, "urgency", "紧急", "着火了")
    await source(page, "urgency", "听写")


async def test_a_lost_connection_is_shown_and_typed_text_survives_it(
    house: House, opened: Window, server: WebServer
) -> None:
    page = opened.page
    assert server.address is not None
    served = server.address
    await ready(page)
    house.calls.offer("c1", "1001")
    ticket_id = house.calls.answer("c1")
    await value(page, "phone", "15250322668")
    await server.close()
    await expect(page.get_by_test_id("banner-lost")).to_be_visible()
    await page.get_by_test_id("field-address").fill("太平路 3 号")
    await page.get_by_test_id("field-address").blur()
    await expect(page.get_by_test_id("save-state")).to_contain_text("未保存")
    house.calls.say("c1", "caller", "断线时说的话")
    await server.start(*served)
    await expect(page.get_by_test_id("banner-lost")).to_have_count(0)
    await expect(page.get_by_test_id("save-state")).to_have_text("已保存")
    await expect(page.get_by_test_id("utterance")).to_contain_text("断线时说的话")
    await value(page, "address", "太平路 3 号")
    ticket = await house.calls.ticket(ticket_id)
    assert ticket is not None
    assert ticket["fields"]["address"]["value"] == "太平路 3 号"


async def test_an_answer_that_comes_late_does_not_undo_what_happened_since(
    house: House, opened: Window
) -> None:
    page = opened.page
    await sign_in(page)
    rung = asyncio.Event()

    async def late(route: Route) -> None:
        answer = await route.fetch()
        await rung.wait()
        await route.fulfill(response=answer)

    await page.route("**/api/v1/me/presence", late)
    async with page.expect_response("**/api/v1/me/presence") as answered:
        await page.get_by_test_id("ready").click()
        await expect(page.get_by_test_id("state-name")).to_have_text("示闲")  # by the feed
        house.calls.offer("c1", "1001")
        await expect(page.get_by_test_id("state-name")).to_have_text("振铃")
        rung.set()
    await (await answered.value).finished()
    await page.evaluate("fetch('/api/v1/me').then((answer) => answer.text())")  # lets it be read
    assert await page.get_by_test_id("state-name").text_content() == "振铃"


async def test_a_refused_value_is_marked_and_the_others_are_stored(
    house: House, opened: Window
) -> None:
    page = opened.page
    await ready(page)
    house.calls.offer("c1", "1001")
    ticket_id = house.calls.answer("c1")
    await value(page, "phone", "15250322668")
    await page.get_by_test_id("field-party").fill("物业")
    await page.get_by_test_id("field-phone").fill("138")
    await page.get_by_test_id("field-phone").blur()
    await expect(page.get_by_test_id("error-phone")).to_have_text("不是完整的电话号码")
    await value(page, "phone", "138")
    house.calls.end("c1")
    await page.get_by_test_id("submit").click()  # nothing is submitted while a field is wrong
    await expect(page.get_by_test_id("save-state")).to_have_text("有内容需要修改")
    ticket = await house.calls.ticket(ticket_id)
    assert ticket is not None
    assert ticket["status"] == "draft"
    assert ticket["fields"]["party"]["value"] == "物业"
    await page.get_by_test_id("field-phone").fill("53571234")
    await page.get_by_test_id("submit").click()
    await expect(page.get_by_test_id("ticket-status")).to_have_text("已提交")


async def test_the_desk_says_what_is_wrong(house: House, opened: Window) -> None:
    page = opened.page
    await sign_in(page, password="wrong")
    await expect(page.get_by_test_id("sign-in-error")).to_have_text("工号或密码错误")
    house.health.parts["recogniser"] = {"status": "no_model", "detail": None}
    await ready(page)
    await expect(page.get_by_test_id("services")).to_have_text("识别不可用")
    await expect(page.get_by_test_id("banner-no_model")).to_contain_text("未安装识别模型")
    house.bus.publish(ServiceStatus(at=time.time(), part="recogniser", status="away"))
    await expect(page.get_by_test_id("banner-recogniser")).to_contain_text("语音识别中断")
    house.bus.publish(ServiceStatus(at=time.time(), part="recogniser", status="ok"))
    await expect(page.get_by_test_id("banner-recogniser")).to_have_count(0)
    house.bus.publish(ServiceStatus(at=time.time(), part="recogniser", status="off"))
    await expect(page.get_by_test_id("services")).to_have_text("识别未启用")
    await expect(page.get_by_test_id("banner-recogniser")).to_have_count(0)
    house.floor.set_phones("1001", 0)
    await expect(page.get_by_test_id("phone")).to_have_text("话机未注册")
    await expect(page.get_by_test_id("call-none")).to_contain_text("话机还没有接通")
    next_step = page.locator("[data-testid=first-step][aria-current=step]")
    await expect(next_step).to_contain_text("接通话机")
    house.floor.set_phones("1001", 1)
    await expect(next_step).to_contain_text("接听")
    house.calls.offer("c1", "1001")
    house.floor.put("1001", Input.MISSED)
    await expect(page.get_by_test_id("state-name")).to_have_text("示忙 · 未接")
    await expect(page.get_by_test_id("banner-missed")).to_be_visible()


async def test_breaks_reload_language_and_sign_out(house: House, opened: Window) -> None:
    page = opened.page
    await sign_in(page)
    await expect(page.get_by_test_id("agent-name")).to_have_text("王芳")
    await page.get_by_test_id("not-ready").click()
    await expect(page.get_by_test_id("reason-meal")).to_contain_text("今天还剩")
    await page.get_by_test_id("reason-meal").click()
    await expect(page.get_by_test_id("state-name")).to_have_text("示忙 · 用餐")
    await page.reload()
    await expect(page.get_by_test_id("state-name")).to_have_text("示忙 · 用餐")
    await page.get_by_test_id("language").click()
    await expect(page.get_by_test_id("state-name")).to_have_text("Not ready · Meal")
    await page.get_by_test_id("sign-out").click()
    await expect(page.get_by_test_id("sign-in-form")).to_be_visible()
    await expect(page.get_by_test_id("desk")).to_be_hidden()
    await until(lambda: house.app.state.services.feed.count() == 0)
    presence = await house.floor.presence("1001")
    assert presence is not None
    assert presence.state == "signed_out"


async def test_an_earlier_ticket_is_opened_with_transcript_and_recording(
    house: House, opened: Window
) -> None:
    page = opened.page
    await house.finished_call("c1", "1001")
    await ready(page)
    await page.get_by_test_id("today-ticket").click()
    await value(page, "address", "城厢镇人民路 8 号")
    await house.finished_call("c2", "1001")
    await expect(page.get_by_test_id("ticket-id")).to_have_text("Tc2")
    await page.locator("[data-ticket=Tc1]").click()
    await expect(page.get_by_test_id("ticket-id")).to_have_text("Tc1")
    await expect(page.get_by_test_id("utterance")).to_have_count(1)
    await expect(page.get_by_test_id("recording")).to_have_attribute(
        "src", "/api/v1/calls/c1/recording"
    )
    await page.get_by_test_id("back").click()
    await expect(page.get_by_test_id("ticket-id")).to_have_text("Tc2")


async def test_a_call_that_is_over_is_heard_part_by_part(house: House, opened: Window) -> None:
    page = opened.page
    await ready(page)
    await house.finished_call("c1", "1001")
    await expect(page.get_by_test_id("recording")).to_have_attribute(
        "src", "/api/v1/calls/c1/recording"
    )
    await page.get_by_test_id("utterance").locator("button").first.click()
    parts = [
        {"part": 2, "begins": 14.0, "seconds": 5.0},
        {"part": 1, "begins": 0.25, "seconds": 10.0},
    ]
    heard = await page.evaluate(
        """async (parts) => {
          const { Recording } = await import("/static/recording.js");
          const audio = document.createElement("audio");
          const recording = new Recording(audio);
          recording.show("c1", parts);
          return [0.1, 3.25, 14.5, 9].map((seconds) => {
            recording.seek(seconds);
            return [audio.getAttribute("src"), audio.currentTime, recording.now()];
          });
        }""",
        parts,
    )
    first, second = "/api/v1/calls/c1/recording", "/api/v1/calls/c1/recording?part=2"
    assert heard == [
        [first, 0, 0.25],
        [first, 3, 3.25],
        [second, 0.5, 14.5],
        [first, 8.75, 9],
    ]


async def test_a_part_that_is_not_there_is_left_out(opened: Window) -> None:
    taken = await opened.page.evaluate(
        """async () => {
          const { Recording } = await import("/static/recording.js");
          const audio = document.createElement("audio");
          const taken = [];
          const recording = new Recording(audio, (part) => taken.push(part));
          recording.show("c1", [{ part: 2, begins: 14.0, seconds: 5.0 }]);
          const fail = (code) => {
            Object.defineProperty(audio, "error", { value: { code }, configurable: true });
            audio.dispatchEvent(new Event("error"));
          };
          fail(MediaError.MEDIA_ERR_NETWORK); // it is there, and may come again
          fail(MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED);
          fail(MediaError.MEDIA_ERR_SRC_NOT_SUPPORTED); // none is left
          recording.show("");
          return taken.slice(0, 2).concat(taken.length);
        }"""
    )
    assert taken == [1, 2, 3]


async def test_a_leaders_desk_asks_for_its_lists_when_its_own_calls_change(opened: Window) -> None:
    asked = await opened.page.evaluate(
        """async () => {
          const { Desk } = await import("/static/desk.js");
          let asked = 0;
          const desk = {
            state: { agent: { id: "2001" } },
            dispatch() {},
            attempt: (act) => act(),
            fetches: { list: () => (asked += 1), recorded() {} },
          };
          return [null, "1001", "2001"].map((agent_id) => {
            Desk.prototype.onEvent.call(desk, { event: "call.ended", agent_id });
            return asked;
          });
        }"""
    )
    assert asked == [0, 0, 1]


async def test_what_was_not_recognised_shows_until_it_is_heard_from_the_recording(
    house: House, opened: Window
) -> None:
    page = opened.page
    await house.finished_call("c1", "1001")
    await ready(page)

    def gap(start: float, state: str) -> TranscriptGap:
        return TranscriptGap(
            at=time.time(),
            agent_id="1001",
            call_id="c1",
            leg="caller",
            start=start,
            end=start + 2.0,
            reason="load",
            state=state,
        )

    await page.get_by_test_id("today-ticket").click()
    await expect(page.get_by_test_id("utterance")).to_have_count(1)
    house.bus.publish(gap(70.0, "missing"))
    house.bus.publish(gap(80.0, "missing"))
    await expect(page.get_by_test_id("gap")).to_have_count(2)
    await expect(page.get_by_test_id("gap").first).to_contain_text("市民 01:10")
    await expect(page.get_by_test_id("gap").first).to_contain_text("此处未转写")
    house.bus.publish(
        TranscriptFinal(
            at=time.time(),
            agent_id="1001",
            call_id="c1",
            leg="caller",
            text="路灯不亮。",
            spoken="路灯不亮",
            start=70.5,
            end=71.5,
            confidence=0.9,
            seq=9,
            later=True,
        )
    )
    house.bus.publish(gap(70.0, "recognised"))
    await expect(page.get_by_test_id("gap")).to_have_count(1)
    await expect(page.get_by_test_id("gap")).to_contain_text("01:20")
    later = page.locator("li.later")
    await expect(later).to_contain_text("路灯不亮。")
    await expect(later).to_have_attribute("title", "通话后从录音补上的转写")


async def test_a_link_opens_its_ticket_and_a_supervisor_cannot_change_it(
    house: House, opened: Window, served: Address
) -> None:
    page = opened.page
    await house.finished_call("c1", "1001")
    await page.goto(f"http://{served[0]}:{served[1]}/#/tickets/Tc1")
    await page.get_by_test_id("agent-id").fill("2001")
    await page.get_by_test_id("password").fill(PASSWORD)
    await page.get_by_test_id("sign-in").click()
    await expect(page.get_by_test_id("ticket-id")).to_have_text("Tc1")
    await value(page, "phone", "152****2668")
    await expect(page.get_by_test_id("field-address")).to_be_disabled()
    await expect(page.get_by_test_id("submit")).to_be_disabled()


async def test_the_api_is_documented_without_anybodys_cdn(opened: Window, served: Address) -> None:
    page = opened.page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.goto(f"http://{served[0]}:{served[1]}/api/docs")
    await expect(page.get_by_test_id("operation").first).to_contain_text("/api/v1/session")
    assert {url.split("/")[2] for url in asked} == {f"{served[0]}:{served[1]}"}


async def test_help_is_shown_quoted_and_the_ticket_answered_on_line(
    opened: Window, house: House
) -> None:
    page = opened.page
    await house.knowledge.put(
        Entry(
            id="laji",
            title="生活垃圾清运",
            category="市容管理",
            source="管理办法第十八条",
            body="生活垃圾日产日清。",
        ),
        who="9001",
    )
    await sign_in(page)
    await page.get_by_test_id("ready").click()
    await expect(page.get_by_test_id("state-name")).to_have_text("示闲")
    house.calls.offer("c1", "1001")
    ticket_id = house.calls.answer("c1")
    house.bus.publish(
        CallHelp(
            at=1.0,
            agent_id="1001",
            call_id="c1",
            ticket_id=ticket_id,
            topic="垃圾与环境卫生",
            questions=("有多久没有清理了？",),
            knowledge=(
                {
                    "id": "laji",
                    "version": 1,
                    "title": "生活垃圾清运",
                    "category": "市容管理",
                    "source": "管理办法第十八条",
                    "snippet": "日产日清",
                    "experts": [{"id": "x", "name": "值班员", "unit": "城管局", "phone": "12319"}],
                },
            ),
            similar=(),
            summary=("垃圾没人清。",),
        )
    )
    await expect(page.get_by_test_id("help-topic")).to_have_text("垃圾与环境卫生")
    await expect(page.get_by_test_id("help-questions")).to_contain_text("有多久没有清理了？")
    await expect(page.get_by_test_id("help-entry")).to_contain_text("12319")
    async with page.expect_popup() as popup:  # for a second monitor
        await page.get_by_test_id("aside").click()
    aside = await popup.value
    house.calls.say("c1", "caller", "垃圾堆了三天")
    for each in (page, aside):
        await expect(each.get_by_test_id("utterance")).to_contain_text("垃圾堆了三天")
    await expect(aside.get_by_test_id("ticket-form")).to_be_hidden()
    await aside.close()
    await expect(page.get_by_test_id("help-summary")).to_contain_text("垃圾没人清。")
    await page.get_by_test_id("quote").click()
    await expect(page.get_by_test_id("field-content")).to_have_value(re.compile("第1版"))
    house.calls.end("c1")
    await page.get_by_test_id("submit").click()
    await page.get_by_test_id("answer-on-line").click()
    await page.get_by_test_id("step-note").fill("已告知明早清运")
    await page.get_by_test_id("step-send").click()
    await expect(page.get_by_test_id("ticket-status")).to_have_text("在线办结")
    await expect(page.get_by_test_id("answer-on-line")).to_be_hidden()
    steps = await house.calls.steps(ticket_id)
    assert [(step["action"], step["note"]) for step in steps] == [
        ("submit", ""),
        ("answer", "已告知明早清运"),
    ]


async def test_an_administrator_sees_the_sip_messages_of_a_call(
    opened: Window, house: House
) -> None:
    page = opened.page
    await house.finished_call("c1", "1001")
    bye = Rung(
        1.0, inbound=True, peer="a:1/UDP", line="BYE sip:h SIP/2.0", cseq="2 BYE", call_id="a"
    )
    house.ladders.known["c1"] = Ladder([bye], ())
    await sign_in(page, agent_id="9001")
    await page.get_by_test_id("today-ticket").click()
    await page.get_by_test_id("ladder").click()
    await expect(page.get_by_test_id("ladder-text")).to_contain_text("- BYE -")
