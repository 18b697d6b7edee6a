"""A desk in the middle of a busy call: everything that can be on the screen at once.

``HOTLINE_SCREENSHOTS=folder python -m pytest tests/web/desk/test_calls.py -k everything`` keeps the
pictures of it, of which ``docs/desktop.png`` is one.
"""

import os
import time
from pathlib import Path

from playwright.async_api import Page, expect

from eventbus.catalogue import CallHelp
from tests.web.desk.page import sign_in
from tests.web.house import House

HEARD = {
    "name": "张建国",
    "title": "先生",
    "address": "城厢镇锦都花园3幢",
    "type": "求助",
    "category": "消防安全",
    "urgency": "特急",
    "urgency_reason": "突发：火情或爆炸",
    "transfer": "119",
    "content": "锦都花园3幢楼道里电瓶车着火，浓烟很大，三楼可能还有人。",
}
FIRE = {
    "id": "fire",
    "version": 1,
    "title": "电动自行车火灾的报告与疏散",
    "category": "消防安全",
    "source": "《消防法》第四十四条",
    "snippet": "立即转 119，保持通话；请来电人低姿撤离，不要乘电梯，不要返回取物。",
    "experts": [{"id": "x", "name": "值班员", "unit": "消防救援大队", "phone": "119"}],
}


async def busy(house: House, page: Page) -> str:
    """Let agent 1001 be in a call with everything; return its ticket."""
    for number, (category, place) in enumerate(
        (("道路设施", "县府街12号"), ("公用事业", "人民路8号"))
    ):
        ticket_id = await house.finished_call(f"e{number}", "1001")
        house.calls.hear(ticket_id, "category", category)
        house.calls.hear(ticket_id, "address", f"城厢镇{place}")
        await house.calls.submit(ticket_id, agent_id="1001")
    house.exchange.arrives("JQ20261122-071", matter={"content": "预付卡不退钱"})
    await sign_in(page)
    await expect(page.get_by_test_id("agent-name")).to_be_visible()
    await house.floor.set_ready("1001")
    house.calls.offer("c1", "1001")
    ticket_id = house.calls.answer("c1")
    await expect(page.get_by_test_id("call-state")).to_have_text("通话中")
    house.calls.say("c1", "agent", "您好，这里是12345，请讲。", 0.0, 2.0)
    burning = "我姓张，锦都花园3幢楼道里电瓶车着火了，好多烟！"
    house.calls.say("c1", "caller", burning, 3.0, 9.0, doubtful=("锦都",))
    house.calls.partial("c1", "caller", "三楼好像还有人没下来", 10.0)
    for name, value in HEARD.items():
        house.calls.hear(ticket_id, name, value, "着火")
    house.bus.publish(
        CallHelp(
            at=time.time(),
            agent_id="1001",
            call_id="c1",
            ticket_id=ticket_id,
            topic="火情",
            questions=("有没有人被困？", "烧的是什么？"),
            knowledge=(FIRE,),
            similar=(),
            summary=("锦都花园3幢楼道里电瓶车着火了",),
        )
    )
    await expect(page.get_by_test_id("urgent")).to_be_visible()
    await expect(page.get_by_test_id("help")).to_contain_text("119")
    await expect(page.locator(".flash")).to_have_count(0)
    return ticket_id


async def keep(page: Page, name: str) -> None:
    """Keep a picture of the page where somebody asks for it."""
    if folder := os.environ.get("HOTLINE_SCREENSHOTS"):
        await page.screenshot(path=Path(folder) / f"{name}.png")
