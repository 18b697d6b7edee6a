from dataclasses import replace

from tests.web.house import House

MATTER = {"content": "打我电话15250322668", "phone": "15250322668"}


async def test_a_leader_sees_in_and_outbox_masked_and_decides(house: House) -> None:
    first = house.exchange.arrives("JQ1", matter=MATTER)
    house.exchange.arrives("T1", direction="out", state="sent")
    async with await house.signed_in("2001") as leader:
        inbox = (await leader.get("/api/v1/exchange", params={"direction": "in"})).json()
        (shown,) = inbox["items"]
        assert (shown["number"], shown["matter"]["phone"]) == ("JQ1", "152****2668")
        one = await leader.get(f"/api/v1/exchange/{first}")
        assert "15250322668" not in one.text
        refused = await leader.post(f"/api/v1/exchange/{first}/decision", json={"accepted": False})
        assert (refused.status_code, refused.json()["error"]["field"]) == (422, "reason")
        body = {"accepted": False, "reason": "需要出警"}
        done = await leader.post(f"/api/v1/exchange/{first}/decision", json=body)
        assert done.json()["state"] == "returned"
        again = await leader.post(f"/api/v1/exchange/{first}/reopen", json={"reason": "没有解决"})
        assert again.json()["reopens"] == "JQ1"
        missing = await leader.get("/api/v1/exchange/99")
        assert missing.status_code == 404
    assert house.exchange.asked == [
        ("decide", first, False, "需要出警", "2001"),
        ("reopen", first, "没有解决", "2001"),
    ]
    looks = [entry for entry in house.audit.entries if entry["action"] == "exchange.list"]
    assert [(one["who"], one["subject"], one["detail"]["count"]) for one in looks] == [
        ("2001", "in", 1)
    ]


async def test_an_agent_hands_his_own_ticket_over_once(house: House) -> None:
    ticket_id = await house.finished_call("c1", "1001")
    path = f"/api/v1/tickets/{ticket_id}/hand-over"
    async with await house.signed_in("1002") as other:
        assert (await other.post(path, json={"partner": "110"})).status_code == 404
    async with await house.signed_in("1001") as agent:
        body = {"partner": "110", "reason": "治安"}
        done = await agent.post(path, json=body)
        assert (done.json()["direction"], done.json()["state"]) == ("out", "sent")
        again = await agent.post(path, json=body)
        assert (again.status_code, again.json()["error"]["code"]) == (409, "already_sent")
        nobody = await agent.post(path, json={"partner": "122"})
        assert nobody.status_code == 404
    assert house.exchange.asked == [("hand_over", ticket_id, "110", "1001", "治安")]


async def test_an_agent_decides_what_has_arrived_once_and_masked(house: House) -> None:
    first = house.exchange.arrives("JQ1", matter=MATTER)
    second = house.exchange.arrives("JQ2")
    taken = house.exchange.arrives("JQ3", state="accepted")
    draft = house.exchange.arrives("JQ4", kind="draft")
    path = "/api/v1/me/inbox"
    async with await house.signed_in("1001") as agent:
        shown = (await agent.get(path)).json()
        assert [one["number"] for one in shown] == ["JQ1", "JQ2"]
        assert shown[0]["matter"]["phone"] == "152****2668"
        done = await agent.post(f"{path}/{first}/decision", json={"accepted": True})
        assert done.json()["state"] == "accepted"
        body = {"accepted": False, "reason": "需要出警"}
        assert (await agent.post(f"{path}/{second}/decision", json=body)).status_code == 200
        assert (await agent.get(path)).json() == []
        for handover, status in ((first, 409), (taken, 409), (draft, 404), (99, 404)):
            refused = await agent.post(f"{path}/{handover}/decision", json=body)
            assert refused.status_code == status, handover
    async with await house.signed_in("3001") as inspector:
        assert (await inspector.get(path)).status_code == 403
    assert house.exchange.asked == [
        ("decide", first, True, "", "1001"),
        ("decide", second, False, "需要出警", "1001"),
    ]


async def test_an_inbox_holds_what_has_waited_longest_and_ones_own_among_many(
    house: House,
) -> None:
    for number in range(60):
        house.exchange.arrives(f"JQ{number}", changed_at=float(number))
    returned = {"direction": "out", "state": "returned"}
    mine = house.exchange.arrives("T0", **returned, ticket_id="T0", agent_id="1001")
    for number in range(1, 30):
        more = {**returned, "ticket_id": f"T{number}", "changed_at": 2.0 + number}
        house.exchange.arrives(f"T{number}", **more, agent_id="1002")
    async with await house.signed_in("1001") as agent:
        shown = (await agent.get("/api/v1/me/inbox")).json()
    assert [one["number"] for one in shown[:50]] == [f"JQ{number}" for number in range(50)]
    assert [one["id"] for one in shown[50:]] == [mine]


async def test_an_agent_has_his_own_matter_taken_up_again(house: House) -> None:
    own, others = [await house.finished_call(f"c{n}", f"100{n}") for n in (1, 2)]
    out = {"direction": "out", "state": "finished"}
    mine = house.exchange.arrives(own, **out, ticket_id=own, agent_id="1001")
    theirs = house.exchange.arrives(others, **out, ticket_id=others, agent_id="1002")
    async with await house.signed_in("1001") as agent:
        (shown,) = (await agent.get("/api/v1/me/inbox")).json()
        assert shown["id"] == mine
        body = {"reason": "没有解决"}
        assert (await agent.post(f"/api/v1/me/inbox/{mine}/reopen", json=body)).status_code == 200
        refused = await agent.post(f"/api/v1/me/inbox/{theirs}/reopen", json=body)
        assert refused.status_code == 404
        empty = await agent.post(f"/api/v1/me/inbox/{mine}/reopen", json={"reason": " "})
        assert empty.status_code == 422
    assert house.exchange.asked == [("reopen", mine, "没有解决", "1001")]


async def test_the_agent_on_a_partners_call_reads_his_draft(house: House) -> None:
    house.exchange.arrives("JQ7", kind="draft", matter=MATTER)
    await house.floor.sign_in("1001")
    await house.floor.set_ready("1001")
    house.calls.offer("c1", "1001")
    live = house.calls._live
    path = "/api/v1/calls/c1/partner-draft"
    async with await house.signed_in("1001") as agent:
        assert (await agent.get(path)).status_code == 404
        live["c1"] = replace(live["c1"], partner="110", reference="JQ8")
        assert (await agent.get(path)).status_code == 404
        live["c1"] = replace(live["c1"], reference="JQ7")
        assert (await agent.get(path)).json()["matter"] == MATTER
    async with await house.signed_in("2001") as leader:
        assert (await leader.get(path)).json()["matter"]["phone"] == "152****2668"
    async with await house.signed_in("1002") as other:
        assert (await other.get(path)).status_code == 404
