"""The call-back list and dispositions, over the API."""

from typing import Any

import pytest

from tests.web.house import House

pytestmark = pytest.mark.asyncio


async def asked(house: House, who: str, method: str, path: str, body: Any = None) -> Any:
    async with await house.signed_in(who) as client:
        return await client.request(method, f"/api/v1{path}", json=body)


async def test_the_list_shows_no_whole_number(house: House) -> None:
    page = (await asked(house, "1001", "GET", "/callbacks")).json()
    assert [entry["status"] for entry in page["items"]] == ["open", "calling", "closed"]
    assert {entry["number"] for entry in page["items"]} == {"138****1001"}
    page = (await asked(house, "1001", "GET", "/callbacks?status=open&limit=1")).json()
    assert [entry["id"] for entry in page["items"]] == [1]
    assert (await asked(house, "1001", "GET", "/callbacks?status=lost")).status_code == 422
    assert (await asked(house, "3001", "GET", "/callbacks")).status_code == 403  # an inspector


@pytest.mark.parametrize(
    "entry, status, code",
    [(1, 202, None), (2, 409, "taken"), (3, 409, "closed"), (4, 404, "not_found")],
)
async def test_one_click_calls_back(
    house: House, entry: int, status: int, code: str | None
) -> None:
    answer = await asked(house, "1001", "POST", f"/callbacks/{entry}/call")
    assert answer.status_code == status
    assert house.call_backs.called == ([(1, "1001")] if code is None else [])
    noted = await house.audit.list_(action="callback.call")
    assert [(one["who"], one["subject"]) for one in noted] == ([] if code else [("1001", "1")])
    if code is not None:
        assert answer.json()["error"]["code"] == code


async def test_an_agent_without_a_phone_is_told_so(house: House) -> None:
    house.call_backs.agent_ready = False
    answer = await asked(house, "1001", "POST", "/callbacks/1/call")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "target_not_ready")


async def test_an_agent_promises_his_citizen_a_call(house: House) -> None:
    ticket = await house.finished_call("c1", "1001")
    path, due = f"/tickets/{ticket}/call-back", house.clock.now + 3600
    made = await asked(house, "1001", "POST", path, {"due_at": due, "note": "补材料"})
    assert made.status_code == 201
    entry = made.json()
    assert (entry["number"], entry["reason"], entry["due_at"]) == ("152****2668", "scheduled", due)
    (promise,) = house.call_backs.promised
    assert (promise.number, promise.line, promise.call_id) == ("15250322668", "12345", "c1")
    assert (promise.agent_id, promise.note) == ("1001", "补材料")
    noted = await house.audit.list_(action="callback.schedule")
    assert [(one["who"], one["subject"]) for one in noted] == [("1001", "4")]
    for late in (house.clock.now, house.clock.now - 1, house.clock.now + 31 * 86400, "soon"):
        refused = await asked(house, "1001", "POST", path, {"due_at": late})
        assert refused.status_code == 422, late
        assert refused.json()["error"]["field"] == "due_at"
    assert (await asked(house, "1002", "POST", path, {"due_at": due})).status_code == 404
    theirs = await asked(house, "2001", "POST", path, {"due_at": due})
    assert (theirs.status_code, theirs.json()["error"]["code"]) == (409, "promised")
    hours = await asked(house, "1001", "GET", "/callbacks/hours")
    assert hours.json() == {"hours": "08:30-20:00"}


async def test_an_entry_is_closed_with_an_outcome(house: House) -> None:
    body = {"outcome": "wrong_number", "note": "空号"}
    answer = await asked(house, "1001", "POST", "/callbacks/1/close", body)
    assert answer.status_code == 204
    assert house.call_backs.closed == [(1, "1001", "wrong_number", "空号")]
    bad = await asked(house, "1001", "POST", "/callbacks/1/close", {"outcome": "gone"})
    assert bad.status_code == 422


async def test_the_agent_of_a_call_says_what_it_came_to(house: House) -> None:
    listed = (await asked(house, "1001", "GET", "/dispositions")).json()
    assert listed == [
        {"code": "answered", "name": "在线解答"},
        {"code": "other", "name": "其他"},
    ]
    await house.floor.sign_in("1001")
    await house.floor.set_ready("1001")
    house.calls.offer("c1", "1001")
    house.calls.answer("c1")
    body = {"code": "answered", "note": None}
    assert (await asked(house, "1001", "PUT", "/calls/c1/disposition", body)).status_code == 204
    assert house.after_call.chosen == {("c1", "1001"): ("answered", None)}
    assert (await asked(house, "2001", "PUT", "/calls/c1/disposition", body)).status_code == 403
    assert (await asked(house, "1002", "PUT", "/calls/c1/disposition", body)).status_code == 404
    unknown = await asked(house, "1001", "PUT", "/calls/c1/disposition", {"code": "nothing"})
    assert (unknown.status_code, unknown.json()["error"]["field"]) == (422, "code")
