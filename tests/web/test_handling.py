"""What becomes of tickets over the API, who may do it, and the trail that it leaves."""

from typing import Any

import httpx

from tests.web.house import House
from tickets.fields import Passage
from web.schemas_calls import PassageOut

TICKET = "/api/v1/tickets/Tc1"


async def submitted(house: House) -> None:
    await house.finished_call("c1", "1001")
    await house.calls.submit("Tc1", agent_id="1001")


async def step(client: httpx.AsyncClient, action: str, **more: Any) -> httpx.Response:
    return await client.post(f"{TICKET}/steps", json={"action": action, **more})


async def test_an_agent_passes_his_ticket_on_and_a_leader_closes_it(house: House) -> None:
    await submitted(house)
    async with await house.signed_in("1001") as agent, await house.signed_in("2001") as leader:
        passed = await step(agent, "pass_on", unit="城管局")
        assert (passed.status_code, passed.json()["status"]) == (200, "passed")
        assert passed.json()["deadline_at"] > house.clock.now
        refused = await step(agent, "close", note="好了")
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "forbidden")
        closed = await step(leader, "close", note="已清理，回复15250322668")
        assert closed.json()["status"] == "closed"
        review = {"reached": True, "solved": True, "result": False}
        reviewed = await step(leader, "review", review=review)
        assert (reviewed.json()["solved"], reviewed.json()["satisfied"]) == (True, False)
        again = await step(leader, "reopen", note="又脏了")
        assert (again.json()["reopens"], again.json()["status"]) == ("Tc1", "submitted")
        taken = (await agent.get(f"{TICKET}/steps")).json()
        masked = (await leader.get(f"{TICKET}/steps")).json()
    assert [entry["action"] for entry in taken] == [
        "submit",
        "pass_on",
        "close",
        "review",
        "reopen",
    ]
    assert taken[2]["note"] == "已清理，回复15250322668"
    assert masked[2]["note"] == "已清理，回复152****2668"


async def test_a_step_at_the_wrong_time_or_without_its_reason_is_explained(house: House) -> None:
    await submitted(house)
    async with await house.signed_in("2001") as leader, await house.signed_in("1002") as other:
        early = await step(leader, "close", note="好了")
        assert (early.status_code, early.json()["error"]["code"]) == (409, "not_now")
        bare = await step(leader, "urge")
        assert (bare.status_code, bare.json()["error"]["field"]) == (422, "note")
        nowhere = await step(leader, "pass_on")
        assert (nowhere.status_code, nowhere.json()["error"]["field"]) == (422, "unit")
        assert (await step(leader, "burn")).status_code == 422
        assert (await step(other, "urge", note="快")).status_code == 404


async def test_views_leave_a_trail_that_only_an_administrator_reads(house: House) -> None:
    await submitted(house)
    async with await house.signed_in("1001") as agent, await house.signed_in("2001") as leader:
        await leader.get(TICKET)
        await leader.get("/api/v1/calls/c1/transcript")
        for path in ("/tickets", f"/tickets/{TICKET.rpartition('/')[2]}/history", "/calls"):
            await leader.get(f"/api/v1{path}")
        for client in (agent, leader):
            await client.get("/api/v1/calls/c1")
        await agent.get("/api/v1/tickets")
        await agent.get("/api/v1/calls/c1/recording")
        for client in (agent, leader):
            assert (await client.get("/api/v1/audit")).status_code == 403
    async with await house.signed_in("9001") as admin:
        entries = (await admin.get("/api/v1/audit")).json()["items"]
        by_leader = (await admin.get("/api/v1/audit", params={"by": "2001"})).json()["items"]
        own = (await admin.get("/api/v1/audit", params={"action": "audit.view"})).json()["items"]
    assert [(entry["who"], entry["action"], entry["subject"]) for entry in entries] == [
        ("1001", "recording.listen", "c1"),
        ("2001", "call.view", "c1"),
        ("2001", "call.list", "all"),
        ("2001", "history.view", "Tc1"),
        ("2001", "ticket.list", "all"),
        ("2001", "transcript.view", "c1"),
        ("2001", "ticket.view", "Tc1"),
    ]
    assert [entry["action"] for entry in by_leader][-2:] == ["transcript.view", "ticket.view"]
    assert [entry["subject"] for entry in own] == ["2001", "all"]


async def test_only_a_leader_redacts_and_says_why(house: House) -> None:
    await submitted(house)
    span = {"start": 0.0, "end": 1.0, "side": "caller", "reason": "报了银行卡号"}
    url = "/api/v1/calls/c1/redactions"
    async with await house.signed_in("1001") as agent, await house.signed_in("2001") as leader:
        assert (await agent.post(url, json=span)).status_code == 403
        backwards = await leader.post(url, json=span | {"end": 0.0, "start": 1.0})
        assert backwards.status_code == 422
        late = await leader.post(url, json=span | {"start": 5000.0, "end": 5001.0})
        assert (late.status_code, late.json()["error"]["code"]) == (422, "bad_span")
        done = await leader.post(url, json=span)
        nothing_left: dict[str, Any] = {"unreached": [], "message": None, "chinese": None}
        assert (done.status_code, done.json()) == (200, {"seconds": 1.0, **nothing_left})
        assert house.audit.entries[-1]["detail"] == span
        house.calls.unreached = (2,)
        half = (await leader.post(url, json=span)).json()
        assert (half["seconds"], half["unreached"]) == (1.0, [2])
        assert "node b" in half["message"]
        assert half["chinese"].startswith("录音第 2 段未正常结束")
        assert "节点 b" in half["chinese"]
    assert house.audit.entries[-1]["action"] == "recording.redact"
    assert house.audit.entries[-1]["detail"] == span | {"unreached": [2]}


def test_a_passage_over_http_is_the_whole_passage() -> None:
    passage = Passage("caller", 3.0, 9.0, ((3.0, 4.0), (8.0, 9.0))).to_dict()
    assert PassageOut(**passage).model_dump(mode="json") == passage
