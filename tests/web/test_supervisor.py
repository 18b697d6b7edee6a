"""What shift leaders ask for over the API, and what of it stays hidden."""

from tests.web.house import House


async def talking(house: House) -> None:
    await house.floor.sign_in("1001")
    await house.floor.set_ready("1001")
    house.calls.offer("c1", "1001")
    house.calls.answer("c1")


async def test_a_leader_listens_and_the_agent_is_not_told(house: House) -> None:
    await talking(house)
    async with await house.signed_in("2001") as leader:
        answer = await leader.put("/api/v1/calls/c1/supervision", json={"mode": "whisper"})
        assert answer.status_code == 202
        (live,) = (await leader.get("/api/v1/calls/live")).json()
        assert (live["supervisor"], live["supervision"]) == ("2001", "whisper")
        assert live["caller"] == "152****2668"
    async with await house.signed_in("1001") as agent:
        (live,) = (await agent.get("/api/v1/calls/live")).json()
        assert (live["supervisor"], live["supervision"]) == (None, None)
    async with await house.signed_in("9001") as another:
        answer = await another.put("/api/v1/calls/c1/supervision", json={})
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "supervised")
    async with await house.signed_in("2001") as leader:
        assert (await leader.delete("/api/v1/calls/c1/supervision")).status_code == 204
        answer = await leader.delete("/api/v1/calls/c1/supervision")
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "not_supervising")
    (entry,) = await house.audit.list_(action="call.supervise")
    assert (entry["who"], entry["subject"], entry["detail"]) == ("2001", "c1", {"mode": "whisper"})


async def test_waiting_calls_are_assigned_and_pulled(house: House) -> None:
    house.calls.wait("c1")
    house.calls.wait("c2")
    async with await house.signed_in("2001") as leader:
        for agent_id in ("1001", "2001"):
            await house.floor.sign_in(agent_id)
            await house.floor.set_ready(agent_id)
        assigned = await leader.post("/api/v1/calls/c1/assign", json={"agent_id": "1001"})
        assert assigned.status_code == 202
        again = await leader.post("/api/v1/calls/c1/assign", json={"agent_id": "1002"})
        assert (again.status_code, again.json()["error"]["code"]) == (409, "not_waiting")
        assert (await leader.post("/api/v1/calls/c2/pull")).status_code == 202
        assert (await leader.post("/api/v1/calls/none/pull")).status_code == 404
        live = {call["call_id"]: call for call in (await leader.get("/api/v1/calls/live")).json()}
    assert {call_id: call["agent_id"] for call_id, call in live.items()} == {
        "c1": "1001",
        "c2": "2001",
    }
    assert [entry["action"] for entry in await house.audit.list_()] == ["call.pull", "call.assign"]


async def test_an_agents_state_is_forced_and_it_is_written_down(house: House) -> None:
    await house.floor.sign_in("1001")
    async with await house.signed_in("2001") as leader:
        forced = await leader.post(
            "/api/v1/agents/1001/presence", json={"state": "not_ready", "reason": "training"}
        )
        assert (forced.json()["state"], forced.json()["reason"]) == ("not_ready", "training")
        out = await leader.post("/api/v1/agents/1001/sign-out", json={"reason": "下班未签出"})
        assert out.json()["state"] == "signed_out"
        gone = await leader.post("/api/v1/agents/1001/sign-out", json={"reason": "下班未签出"})
        assert gone.status_code == 404
    entries = await house.audit.list_(subject="1001")
    assert [(entry["action"], entry["detail"]) for entry in entries] == [
        ("agent.sign_out", {"reason": "下班未签出"}),
        ("agent.force", {"state": "not_ready", "reason": "training"}),
    ]
