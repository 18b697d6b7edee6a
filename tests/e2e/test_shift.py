"""A shift: two agents and their leader on one live node, from sign-in to the day's report.

Agent 1001 talks through the page's own phone, 1002 through a desk phone, the leader through his.
HOTLINE_TEST_SCREENSHOTS names a folder for pictures of the steps.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from hotline.exchange import BrokerAddress
from hotline.partner import PartnerSimulator
from tests.e2e.ask import until_nothing_is_left
from tests.e2e.desktop import SECONDS, Desktop, at_desktop
from tests.support.baresip import Baresip
from tests.support.browser import chromium, window
from tests.support.node import PASSWORD, Api, RunningNode, running_node, until
from tests.support.ports import free_sip_port, free_tcp_port
from tests.support.waveforms import write_tone

pytestmark = pytest.mark.e2e

HOST = "127.0.0.1"
POLICE = "127.0.0.110"
LOST = "127.0.0.111"  # nobody answers there
NUMBER = "13862311001"
LEADER = "8001"

# The page's feed, so that a test can cut it: being offline ends no connection that is there.
FEED = """
const Plain = window.WebSocket;
window.WebSocket = class extends Plain {
  constructor(url, ...given) {
    super(url, ...given);
    if (String(url).endsWith("/feed")) window.feed = this;
  }
};
"""
CUT = "() => window.feed.close()"


@dataclass
class Shift:
    """Who is there.

    Attributes:
        first: agent 1001, with the page's phone.
        second: agent 1002, with a desk phone.
        team: the leader's page.
        leads: the leader's API.
        citizen: the telephone of whoever calls.
    """

    node: RunningNode
    first: Desktop
    second: Desktop
    team: Page
    leads: Api
    citizen: Baresip
    police: PartnerSimulator

    async def call(self) -> None:
        """Let the citizen call."""
        await self.citizen.dial(f"sip:12345@{HOST}:{self.node.sip_port}")

    async def live(self) -> dict[str, Any]:
        """Return the one call that is going on, as the leader is told of it."""

        async def one() -> Any:
            return await self.leads.get("/calls/live")

        (call,) = await until(one, seconds=SECONDS)
        return dict(call)

    async def until_live(self, **wanted: object) -> None:
        """Wait for the call that is going on to be so."""

        async def so() -> bool:
            calls = await self.leads.get("/calls/live")
            return bool(calls) and wanted.items() <= calls[0].items()

        await until(so, seconds=SECONDS)


@asynccontextmanager
async def a_shift(folder: Path) -> AsyncIterator[Shift]:
    """Start the node, the telephones and the pages."""
    police_port, citizens_port, mqtt_port = free_sip_port(), free_sip_port(), free_tcp_port()
    settings = {
        "asr__enabled": "false",
        "mqtt__port": mqtt_port,
        "rating__enabled": "true",
        "trunks__local__networks": f"{HOST}/32",
        "trunks__local__address": f"{HOST}:{citizens_port}",
        "trunks__local__options_seconds": 0,
        "trunks__police__networks": f"{POLICE}/32",
        "trunks__police__address": f"{POLICE}:{police_port}",
        "trunks__police__options_seconds": 0,
        "trunks__lost__networks": f"{LOST}/32",
        "trunks__lost__address": f"{LOST}:{police_port}",
        "trunks__lost__priority": 9,
        "trunks__lost__options_seconds": 1,
        "partners__110__trunks": "police",
        "partners__110__calls_from": "police",
    }
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        node = await enter(running_node(folder / "node", settings))
        police = PartnerSimulator(
            "110",
            server=(HOST, node.sip_port),
            broker=BrokerAddress(host=HOST, port=mqtt_port, protocol="3.1.1"),
            host=POLICE,
            port=police_port,
        )
        await police.open()
        stack.push_async_callback(police.close)
        citizen = await enter(
            Baresip(folder / "citizen", user=NUMBER, source=700, local_port=citizens_port)
        )
        for number, tone in (("1002", 440), (LEADER, 1800)):
            phone = Baresip(
                folder / number,
                user=number,
                password=PASSWORD,
                registrar=(HOST, node.sip_port),
                source=tone,
                auto_answer=True,
            )
            await (await enter(phone)).register(seconds=SECONDS)
        voice = await asyncio.to_thread(write_tone, folder / "voice.wav", 1000, seconds=2)
        browser = await enter(chromium(microphone=voice))
        leads = await enter(node.signed_in(LEADER))
        first = await enter(at_desktop(browser, node, "1001"))
        second = await enter(at_desktop(browser, node, "1002"))
        team = await enter(window(browser, f"{node.web}/team", seconds=SECONDS))
        await team.page.get_by_test_id("agent-id").fill(LEADER)
        await team.page.get_by_test_id("password").fill(PASSWORD)
        await team.page.get_by_test_id("sign-in").click()
        yield Shift(node, first, second, team.page, leads, citizen, police)
        assert team.errors == []


async def picture(page: Page, name: str) -> None:
    """Keep a picture of a step where somebody asks for it."""
    if folder := os.environ.get("HOTLINE_TEST_SCREENSHOTS"):
        await page.screenshot(path=Path(folder) / f"shift-{name}.png")


async def test_a_whole_shift(tmp_path: Path) -> None:
    expect.set_options(timeout=1000 * SECONDS)
    async with a_shift(tmp_path) as shift:
        await everybody_is_there(shift)
        await a_call_is_answered_in_the_page(shift)
        await a_broken_line_loses_nothing_that_was_typed(shift)
        await the_leader_whispers(shift)
        await three_talk_and_110_takes_over(shift)
        await he_wraps_up(shift)
        await the_other_agent_is_rated(shift)
        await who_gave_up_is_called_back(shift)
        await the_leader_reads_the_report(shift)
        await the_administrator_adds_a_partner(shift)
        await until_nothing_is_left(shift.node, seconds=SECONDS)


async def everybody_is_there(shift: Shift) -> None:
    first = shift.first
    await first.page.add_init_script(FEED)
    await first.page.reload()
    await first.part("browser-phone").locator("summary").click()
    await first.press("phone-on")
    await first.shows("phone-summary", "话机就绪")
    await shift.second.shows("phone", "话机已注册")
    await first.press("ready")
    await first.shows("state-name", "示闲")
    await expect(shift.team.get_by_test_id("floor")).to_contain_text("1002")


async def a_call_is_answered_in_the_page(shift: Shift) -> None:
    first = shift.first
    await shift.call()
    await first.shows("phone-summary", "来电")
    await picture(first.page, "1-ringing")
    await first.press("phone-answer")
    await shift.citizen.wait_event("CALL_ESTABLISHED", seconds=SECONDS)
    await first.shows("call-state", "通话中")
    await first.holds("phone", NUMBER, "来电")
    await first.write("name", "蒋丽华")


async def a_broken_line_loses_nothing_that_was_typed(shift: Shift) -> None:
    """The page is without a network while he types, and then it is loaded anew."""
    first = shift.first
    await first.page.context.set_offline(True)
    await first.page.evaluate(CUT)
    await expect(first.part("banner-lost")).to_be_visible()
    await first.part("field-content").fill("门口的路灯不亮，有人打架")
    await first.part("field-content").blur()
    await first.shows("save-state", "有修改未保存，恢复连接后自动保存")
    await picture(first.page, "2-network-lost")
    await first.page.context.set_offline(False)
    await first.shows("save-state", "已保存")
    await expect(first.part("banner-lost")).to_have_count(0)
    await first.page.reload()
    await first.holds("content", "门口的路灯不亮，有人打架", "人工")
    await first.shows("call-state", "通话中")
    await first.shows("phone-summary", "通话中")
    assert (await shift.live())["state"] == "talking"


async def the_leader_whispers(shift: Shift) -> None:
    row = shift.team.get_by_test_id("floor").locator("tr", has_text="1001").first
    await row.get_by_role("button", name="密语").click()
    await shift.until_live(supervisor=LEADER, supervision="whisper")
    await picture(shift.team, "3-whisper")
    await row.get_by_role("button", name="退出").click()
    await shift.until_live(supervisor=None)


async def three_talk_and_110_takes_over(shift: Shift) -> None:
    first = shift.first
    await first.press("open-directory")
    await first.part("directory-search").fill("gabj")
    await first.part("directory-search").press("Enter")
    await first.shows("transfer-stage", "咨询中")
    await first.press("transfer-merge")
    await first.shows("transfer-stage", "三方通话")
    await picture(first.page, "4-three-way-with-110")
    call = await shift.live()
    assert shift.police.references == [call["ticket_id"]]
    await first.press("transfer-complete")
    await first.shows("state-name", "话后整理")
    await shift.citizen.hang_up()
    await shift.citizen.wait_event("CALL_CLOSED", seconds=SECONDS)


async def he_wraps_up(shift: Shift) -> None:
    first = shift.first
    await first.part("disposition").select_option("transferred")
    await first.part("field-address").fill("平江街道临顿路41号")
    await first.press("submit")
    await first.shows("ticket-status", "已提交")
    await first.shows("state-name", "示闲")
    await first.part("not-ready").click()
    await first.press("reason-meal")
    await first.shows("state-name", "示忙 · 用餐")


async def the_other_agent_is_rated(shift: Shift) -> None:
    second, citizen = shift.second, shift.citizen
    await second.press("ready")
    await second.shows("state-name", "示闲")
    await shift.call()
    await second.shows("call-state", "通话中")
    await citizen.wait_event("CALL_ESTABLISHED", seconds=SECONDS)
    await expect(second.part("earlier")).to_have_count(1)  # he called before
    await second.write("content", "问公积金提取要带什么")
    await second.press("hang-up")
    await second.shows("state-name", "话后整理")
    await citizen.wait_heard(1.0)
    await citizen.command("sndcode", "5")
    await citizen.wait_event("CALL_CLOSED", seconds=SECONDS)
    await second.part("disposition").select_option("answered")
    await second.press("submit")
    await second.shows("ticket-status", "已提交")
    await second.part("today-calls").click()
    await second.shows("ratings", "评价 5 分")
    await picture(second.page, "5-rated")


async def who_gave_up_is_called_back(shift: Shift) -> None:
    second, citizen = shift.second, shift.citizen
    await second.part("not-ready").click()
    await second.press("reason-training")
    await second.shows("state-name", "示忙 · 培训")
    await shift.call()
    await citizen.wait_event("CALL_RINGING", "CALL_PROGRESS", seconds=SECONDS)
    await citizen.hang_up()
    await second.part("today-callbacks").click()
    await expect(second.part("call-back")).to_contain_text("138****1001")
    await picture(second.page, "6-call-back")
    await second.press("call-back-call")
    await expect(second.part("called-back")).to_be_visible()
    await citizen.wait_event("CALL_INCOMING", seconds=SECONDS)
    await citizen.answer()
    await second.shows("call-state", "通话中")
    await expect(second.part("call-back")).to_have_count(0)
    await second.press("hang-up")
    await citizen.wait_event("CALL_CLOSED", seconds=SECONDS)
    await expect(second.part("call-none")).to_be_visible()


async def the_leader_reads_the_report(shift: Shift) -> None:
    await shift.team.get_by_test_id("tab-reports").click()
    report = shift.team.get_by_test_id("report")
    await expect(report).to_contain_text("来电")
    await picture(shift.team, "7-report")


async def the_administrator_adds_a_partner(shift: Shift) -> None:
    """He sees how the node is; what he adds counts at once; the wall tells what is wrong."""
    page = shift.team
    await page.get_by_role("button", name="签出").click()
    await expect(page.get_by_test_id("sign-in")).to_be_visible()
    await page.goto(f"{shift.node.web}/admin#health")
    await page.get_by_test_id("agent-id").fill("9001")
    await page.get_by_test_id("password").fill(PASSWORD)
    await page.get_by_test_id("sign-in").click()
    await expect(page.get_by_test_id("alarms")).to_contain_text("lost: ")
    await expect(page.get_by_test_id("health")).to_contain_text("police")
    await picture(page, "8-health")
    await page.get_by_test_id("tab-partners").click()
    await page.get_by_test_id("new-partners").click()
    form = page.get_by_test_id("entry-form")
    await form.get_by_label("代号").fill("wuxi")
    await form.get_by_label("名称").fill("无锡12345")
    await form.get_by_label("号码（按呼叫顺序）").fill("051012345")
    await form.get_by_role("button", name="保存").click()
    await expect(page.get_by_test_id("changes")).to_contain_text("partners.wuxi")
    assert "wuxi" in {partner["id"] for partner in await shift.leads.get("/partners")}
    await picture(page, "9-partners")
    await page.goto(f"{shift.node.web}/wall")
    await expect(page.get_by_test_id("alarm")).to_contain_text("中继降级")
