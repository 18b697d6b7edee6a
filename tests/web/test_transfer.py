"""Passing calls on over the API: who may, what is refused, and what stays secret."""

from pathlib import Path

import pytest

from tests.web.house import House


@pytest.fixture
async def house(tmp_path: Path) -> House:
    house = House(tmp_path)
    await house.floor.sign_in("1001")
    await house.floor.set_ready("1001")
    house.calls.offer("c1", "1001")
    house.calls.answer("c1")
    return house


async def test_the_agent_passes_his_call_on(house: House) -> None:
    async with await house.signed_in("1001") as agent:
        body = {"target": "partner:110", "mode": "blind", "reason": "斗殴"}
        begun = await agent.post("/api/v1/calls/c1/transfer", json=body)
        assert begun.status_code == 202
        (live,) = (await agent.get("/api/v1/calls/live")).json()
        assert (live["transfer_to"], live["transfer_stage"]) == ("partner:110", "joined")
        again = await agent.post("/api/v1/calls/c1/transfer", json=body)
        assert (again.status_code, again.json()["error"]["code"]) == (409, "transfer_under_way")
        for step in ("swap", "merge", "complete"):
            taken = await agent.post(f"/api/v1/calls/c1/transfer/{step}")
            assert taken.status_code == 204
        late = await agent.post("/api/v1/calls/c1/transfer/cancel")
        assert (late.status_code, late.json()["error"]["code"]) == (409, "no_transfer")
    assert house.calls.asked == [
        ("c1", "partner:110", "blind", "1001"),
        ("c1", "swap"),
        ("c1", "merge"),
        ("c1", "complete"),
    ]


@pytest.mark.parametrize(
    "target, status, code",
    [("95588", 403, "target_not_allowed"), ("fax:1", 404, "unknown_target"), ("", 422, "invalid")],
)
async def test_whom_he_does_not_get(house: House, target: str, status: int, code: str) -> None:
    async with await house.signed_in("1001") as agent:
        answer = await agent.post("/api/v1/calls/c1/transfer", json={"target": target})
    assert answer.status_code == status
    assert (answer.json()["error"]["code"], answer.json()["error"]["field"]) == (code, "target")


async def test_anothers_call_is_not_his_to_pass_on(house: House) -> None:
    async with await house.signed_in("1002") as other:
        body = {"target": "partner:110"}
        assert (await other.post("/api/v1/calls/c1/transfer", json=body)).status_code == 404
        assert (await other.post("/api/v1/calls/c1/transfer/cancel")).status_code == 404
        assert (await other.get("/api/v1/partners")).json()[0]["id"] == "110"
    async with await house.signed_in("2001") as leader:
        assert (await leader.post("/api/v1/calls/c1/transfer", json=body)).status_code == 202


async def test_a_withheld_number_is_for_administrators_and_leaves_a_trace(house: House) -> None:
    house.calls.withheld["c1"] = "13862311001"
    path = "/api/v1/calls/c1/withheld-number"
    for who in ("1001", "2001"):
        async with await house.signed_in(who) as asker:
            assert (await asker.get(path, params={"reason": "警方协查"})).status_code == 403
    async with await house.signed_in("9001") as admin:
        assert (await admin.get(path)).status_code == 422
        told = await admin.get(path, params={"reason": "警方协查"})
        assert told.json() == {"number": "13862311001"}
        none = await admin.get("/api/v1/calls/c2/withheld-number", params={"reason": "警方协查"})
        assert none.status_code == 404
    entries = [entry for entry in house.audit.entries if entry["action"] == "caller.disclose"]
    assert [(entry["who"], entry["subject"], entry["detail"]) for entry in entries] == [
        ("9001", "c1", {"reason": "警方协查"}),
        ("9001", "c2", {"reason": "警方协查"}),
    ]
