"""The agent desktop in Chromium on a whole node, with real phones and real speech."""

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from tests.e2e.ask import ended_call, until_nothing_is_left
from tests.e2e.desktop import Desktop, at_desktop
from tests.e2e.speech import GREETING, SPEECH, WORST_CER, said_in, seconds_of, with_a_longer_pause
from tests.support.baresip import Baresip
from tests.support.browser import chromium
from tests.support.cer import character_error_rate
from tests.support.node import MODEL, PASSWORD, RunningNode, running_node, until
from tests.support.sipp import SippRun
from tests.support.tones import tone_level
from tests.support.waveforms import read_mono, write_speech
from tickets.draft import TicketDraft, Utterance
from tickets.numerals import figures

pytestmark = pytest.mark.e2e

CALLER = "13511620004"
LONGEST_CALL = 120.0

CORRECTED = {"name": "蒋丽华", "address": "平江街道临顿路41号文牛包店"}

SECONDS_OF_RECORDING = """(audio) => new Promise((resolve, reject) => {
  audio.onloadedmetadata = () => resolve(audio.duration);
  audio.onerror = () => reject(new Error(audio.error.message));
  audio.preload = "metadata";
  audio.load();
})"""


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@asynccontextmanager
async def agents_phone(
    node: RunningNode, folder: Path, *, says: int | Path | None = None
) -> AsyncIterator[Baresip]:
    """Register a phone of 1001 that answers by itself; it greets the citizen unless told else."""
    async with Baresip(
        folder,
        user="1001",
        password=PASSWORD,
        registrar=("127.0.0.1", node.sip_port),
        source=says or write_speech(folder.with_suffix(".wav"), GREETING, after=LONGEST_CALL),
        auto_answer=True,
    ) as phone:
        await phone.register()
        yield phone


def citizen(
    node: RunningNode, folder: Path, speech: Path, *, number: str = CALLER, hangs_up: bool = False
) -> SippRun:
    """Let a citizen call and speak; then he hangs up, or waits for the agent to do so."""
    seconds = seconds_of(speech) + 3 if hangs_up else LONGEST_CALL
    return SippRun(
        "citizen",
        directory=folder,
        remote=("127.0.0.1", node.sip_port),
        service="12345",
        calls=1,
        rows=[(number, round(1000 * seconds))],
        speech=speech,
    )


async def picture(desktop: Desktop, name: str) -> None:
    """Keep a picture of the page in the folder HOTLINE_TEST_SCREENSHOTS, when that is set."""
    folder = os.environ.get("HOTLINE_TEST_SCREENSHOTS")
    if folder:
        await desktop.partial("caller", characters=10)
        await desktop.page.screenshot(path=Path(folder) / f"{name}.png")


async def submit(desktop: Desktop) -> None:
    """Wrap up: submit the ticket, be ready again."""
    await desktop.shows("state-name", "话后整理")
    await desktop.shows("wrap-up-clock", re.compile(r"^0[12]:\d\d$"))
    await desktop.press("submit")
    await desktop.shows("ticket-status", "已提交")
    await desktop.shows("state-name", "示闲")


async def test_calls_from_sign_in_to_submitted_tickets(browser: Browser, tmp_path: Path) -> None:
    # Under another name the demonstration model is taken for one that understands people, as an
    # installed one does: there is nothing that the page should warn of.
    model = tmp_path / "vosk-model"
    model.symlink_to(MODEL)
    async with (
        running_node(tmp_path / "node", {"asr__model_path": model}) as node,
        agents_phone(node, tmp_path / "agent"),
        at_desktop(browser, node, "1001") as desktop,
    ):
        await desktop.shows("phone", "话机已注册")
        await desktop.shows("services", "服务正常")
        await desktop.press("ready")
        await desktop.shows("state-name", "示闲")
        await the_agent_hangs_up(node, desktop, tmp_path / "first")
        await submit(desktop)
        await the_citizen_hangs_up(node, desktop, tmp_path / "second")
        assert character_error_rate(said_in("d04.wav"), await desktop.said("caller")) <= WORST_CER
        greeting = (await desktop.said("agent"))[:9]
        assert character_error_rate("您好一二三四五热线", greeting) <= 0.25, greeting
        await submit(desktop)
        await both_are_listed(desktop)
        await what_he_wrote_is_stored(node)
        await until_nothing_is_left(node)


async def the_agent_hangs_up(node: RunningNode, desktop: Desktop, folder: Path) -> None:
    async with citizen(node, folder, SPEECH / "d01.wav", number="13862311001") as call:
        await desktop.holds("title", "先生", "听写")
        await desktop.press("hang-up")
        statistics = await call.wait(LONGEST_CALL)
    assert statistics.successful == 1, call.errors()


async def the_citizen_hangs_up(node: RunningNode, desktop: Desktop, folder: Path) -> None:
    speech = with_a_longer_pause("d04.wav", folder.with_suffix(".wav"))
    async with citizen(node, folder, speech, hangs_up=True) as call:
        await desktop.holds("phone", CALLER, "来电")
        await desktop.write("name", CORRECTED["name"])  # before the citizen says it
        await desktop.shows("call-state", "通话中")
        await expect(desktop.part("submit")).to_be_disabled()
        text, colour = await desktop.partial("caller")
        assert text
        assert is_grey(colour), colour
        await desktop.holds("address", re.compile("41号"), "听写")
        await desktop.holds("category", "消费维权", "听写")
        await desktop.write("address", CORRECTED["address"])
        await picture(desktop, "desktop")

        await desktop.holds("phone", "13662200044", "听写")
        await desktop.holds("title", "女士", "听写")
        for name, value in CORRECTED.items():
            await desktop.holds(name, value, "人工")
        statistics = await call.wait(LONGEST_CALL)
    assert statistics.successful == 1, call.errors()


async def both_are_listed(desktop: Desktop) -> None:
    """Both tickets are in today's list; the first one is opened, with all that was said."""
    tickets = desktop.part("today-ticket")
    await expect(tickets).to_have_text([re.compile("已提交"), re.compile("已提交")])
    await tickets.last.click()
    await desktop.holds("title", "先生", "听写")
    written = figures(said_in("d01.wav")).text
    assert character_error_rate(written, await desktop.said("caller")) <= WORST_CER
    # The agent hung up when the last words were recognised: the silence after them is not in it.
    recorded = await desktop.part("recording").evaluate(SECONDS_OF_RECORDING)
    assert recorded > 0.8 * seconds_of(SPEECH / "d01.wav")


async def what_he_wrote_is_stored(node: RunningNode) -> None:
    async with node.signed_in("1001") as api:
        record = await ended_call(api)
        ticket = await api.get(f"/tickets/{record['ticket_id']}")
        transcript = await api.get(f"/calls/{record['call_id']}/transcript")
    assert (record["ended_by"], ticket["status"]) == ("citizen", "submitted")
    assert {name: ticket["fields"][name]["value"] for name in CORRECTED} == CORRECTED
    # What was said would have filled the same fields otherwise.
    untouched = TicketDraft("T", CALLER)
    for part in transcript:
        untouched.hear(Utterance(part["leg"], part["spoken"], part["start"], part["end"]))
    for name, value in CORRECTED.items():
        heard = untouched.fields[name].value
        assert heard
        assert heard != value


def is_grey(colour: tuple[int, ...]) -> bool:
    return max(colour) - min(colour) < 32 and 80 < min(colour) < 176


async def test_a_desk_gets_nothing_of_another_agents_call(
    node: RunningNode, browser: Browser, tmp_path: Path
) -> None:
    async with (
        agents_phone(node, tmp_path / "agent"),
        at_desktop(browser, node, "1001") as desktop,
        at_desktop(browser, node, "1002") as other,
    ):
        await desktop.press("ready")
        async with citizen(node, tmp_path / "citizen", SPEECH / "d04.wav") as call:
            await desktop.holds("category", "消费维权", "听写")
            await desktop.press("hang-up")
            statistics = await call.wait(LONGEST_CALL)
        assert statistics.successful == 1, call.errors()
        await desktop.shows("state-name", "话后整理")
        async with node.signed_in("1001") as api:
            record = await ended_call(api)
        assert record["ended_by"] == "agent"

        async def is_over() -> bool:
            return "call.ended" in names(desktop, record["call_id"])

        await until(is_over)
        wanted = {"call.offered", "call.answered", "transcript.final", "ticket.field"}
        assert wanted <= names(desktop, record["call_id"])

        # What reaches him now was sent after everything that he must not have got.
        await other.press("ready")

        async def heard_of_himself() -> bool:
            return any(event.get("state") == "ready" for event in other.events)

        await until(heard_of_himself)
        assert {event.get("agent_id") for event in other.events} <= {None, "1002"}
        received = repr(other.events)
        for secret in (record["call_id"], record["ticket_id"], CALLER, "消费维权"):
            assert secret in repr(desktop.events)
            assert secret not in received
        await expect(other.part("call-none")).to_be_visible()
        await expect(other.part("utterance")).to_have_count(0)
        await expect(other.part("today-ticket")).to_have_count(0)


def names(desktop: Desktop, call_id: str) -> set[str]:
    """Return which events of a call a desktop got."""
    return {event["event"] for event in desktop.events if event.get("call_id") == call_id}


async def test_without_a_model_the_desk_says_so_and_the_call_works(
    browser: Browser, tmp_path: Path
) -> None:
    empty = tmp_path / "no-model"
    empty.mkdir()
    async with (
        running_node(tmp_path / "node", {"asr__model_path": empty}) as node,
        agents_phone(node, tmp_path / "agent", says=440) as agent,
        Baresip(tmp_path / "citizen", user=CALLER, source=700) as caller,
        at_desktop(browser, node, "1001") as desktop,
    ):
        assert "no_recognition_model" in node.log.read_text()
        await desktop.shows("services", "识别不可用")
        await desktop.shows("banner-no_model", re.compile("未安装识别模型。通话不受影响"))
        await desktop.press("ready")
        await caller.dial(f"sip:12345@127.0.0.1:{node.sip_port}")
        await desktop.shows("call-state", "通话中")
        await desktop.holds("phone", CALLER, "来电")
        await caller.wait_heard(2)
        await agent.wait_heard(2)
        await desktop.write("content", "路灯不亮")
        await caller.hang_up()
        await desktop.shows("state-name", "话后整理")
        await expect(desktop.part("banner-no_model")).to_be_visible()
        await desktop.press("submit")
        await desktop.shows("ticket-status", "已提交")
    for phone, tone in ((caller, 440), (agent, 700)):
        assert tone_level(read_mono(phone.heard())[4000:12000], tone) > -30
