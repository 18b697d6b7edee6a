"""Help and the knowledge base over the API."""

from eventbus.catalogue import CallHelp
from tests.web.house import House

ENTRY = """---
id: laji
title: 垃圾清运
category: 市容管理
source: 办法第十八条
keywords: [垃圾]
---
生活垃圾日产日清。
"""


async def test_an_administrator_keeps_entries_and_agents_find_them(house: House) -> None:
    url = "/api/v1/knowledge/laji"
    async with await house.signed_in("9001") as admin, await house.signed_in("1001") as agent:
        assert (await agent.put(url, json={"markdown": ENTRY})).status_code == 403
        first = await admin.put(url, json={"markdown": ENTRY})
        assert (first.status_code, first.json()["version"]) == (200, 1)
        second = await admin.put(url, json={"markdown": ENTRY.replace("日产", "天天")})
        assert second.json()["version"] == 2
        found = (await agent.get("/api/v1/knowledge", params={"q": "垃圾没人清"})).json()
        assert [(entry["id"], entry["version"]) for entry in found] == [("laji", 2)]
        old = (await agent.get(url, params={"version": 1})).json()
        assert old["body"] == "生活垃圾日产日清。"
        assert (await agent.get("/api/v1/knowledge/none")).status_code == 404
        assert (await agent.delete(url)).status_code == 403
        assert (await admin.delete(url)).status_code == 204
        assert (await admin.delete(url)).status_code == 404
    assert [(entry["action"], entry["detail"]) for entry in house.audit.entries] == [
        ("knowledge.change", {"before": None, "after": 1}),
        ("knowledge.change", {"before": 1, "after": 2}),
        ("knowledge.retire", {"before": 2, "after": None}),
    ]


async def test_a_broken_entry_is_explained(house: House) -> None:
    async with await house.signed_in("9001") as admin:
        bare = await admin.put("/api/v1/knowledge/laji", json={"markdown": "没有抬头"})
        assert (bare.status_code, bare.json()["error"]["field"]) == (422, "markdown")
        other = await admin.put("/api/v1/knowledge/other", json={"markdown": ENTRY})
        assert "laji" in other.json()["error"]["message"]


async def test_a_quotation_goes_into_the_agents_own_ticket(house: House) -> None:
    await house.finished_call("c1", "1001")
    async with await house.signed_in("9001") as admin:
        await admin.put("/api/v1/knowledge/laji", json={"markdown": ENTRY})
    body = {"entry_id": "laji", "version": 1}
    async with await house.signed_in("1001") as agent, await house.signed_in("2001") as leader:
        quoted = (await agent.post("/api/v1/tickets/Tc1/quote", json=body)).json()
        content = quoted["fields"]["content"]
        assert content["source"] == "agent"
        assert content["value"].endswith("【依据】垃圾清运（laji，第1版），办法第十八条")
        assert (await leader.post("/api/v1/tickets/Tc1/quote", json=body)).status_code == 403
        missing = await agent.post("/api/v1/tickets/Tc1/quote", json={"entry_id": "none"})
        assert missing.status_code == 404


async def test_help_is_its_agents_own(house: House) -> None:
    await house.floor.sign_in("1001")
    await house.floor.set_ready("1001")
    house.calls.offer("c1", "1001")
    house.calls.answer("c1")
    async with await house.signed_in("1001") as agent, await house.signed_in("1002") as other:
        empty = (await agent.get("/api/v1/calls/c1/help")).json()
        assert (empty["topic"], empty["questions"]) == (None, [])
        house.helper.told["c1"] = CallHelp(
            at=1.0,
            call_id="c1",
            ticket_id="Tc1",
            topic="噪音扰民",
            questions=("在哪里？",),
            knowledge=(),
            similar=(),
            summary=(),
        )
        told = (await agent.get("/api/v1/calls/c1/help")).json()
        assert (told["topic"], told["questions"]) == ("噪音扰民", ["在哪里？"])
        assert (await other.get("/api/v1/calls/c1/help")).status_code == 404
