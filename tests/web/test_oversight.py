"""Live figures, call search, quality inspection, accounts."""

import json
from contextlib import suppress
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError

from calls.finder import Sought
from calls.quality import CRITERIA
from tests.web.fake_oversight import FakeFinder
from tests.web.house import House
from web.feed import encode

FULL = dict(CRITERIA)


async def test_a_board_is_sent_the_figures_and_nobodys_number(
    house: House, served: tuple[str, int]
) -> None:
    headers = {"Authorization": f"Bearer {await house.token('2001')}"}
    url = f"ws://{served[0]}:{served[1]}/api/v1/board"
    async with connect(url, additional_headers=headers) as board:
        first, second = json.loads(await board.recv()), json.loads(await board.recv())
    async with await house.signed_in("2001") as leader:
        live = (await leader.get("/api/v1/statistics/live")).json()
    for message in (first, second):
        assert message.pop("event") == "board.figures"
        assert message.pop("services")["redis"]["status"] == "ok"
        assert message["now"] == live["now"]
        assert message["today"] == live["today"]
    assert "caller" not in encode(live)


async def test_a_boards_session_ends_like_any_other(house: House, served: tuple[str, int]) -> None:
    token = await house.token("2001")
    url = f"ws://{served[0]}:{served[1]}/api/v1/board"
    async with connect(url, additional_headers={"Authorization": f"Bearer {token}"}) as board:
        await board.recv()
        await house.sessions.revoke(token)
        with suppress(ConnectionClosedError):
            while True:
                await board.recv()
        assert board.close_code == 4401


async def test_intervals_of_a_span(house: House) -> None:
    async with await house.signed_in("2001") as leader:
        figures = (await leader.get("/api/v1/statistics/live")).json()
        since = figures["course"][-1]["start"]
        answer = await leader.get(
            "/api/v1/statistics/intervals", params={"since": since, "until": since + 900}
        )
        too_long = await leader.get(
            "/api/v1/statistics/intervals", params={"since": 0, "until": 40 * 86_400}
        )
    rows = {(row["kind"], row["name"]): row for row in answer.json()}
    assert rows["line", "12345"]["connected"]["whole"] == rows["line", "12345"]["calls"]
    assert rows["group", "市级"]["taken"]["of"]
    assert too_long.status_code == 422
    assert too_long.json()["error"]["field"] == "until"
    assert house.audit.entries[-1]["action"] == "statistics.export"


async def test_calls_are_found_masked_and_the_search_is_kept(house: House) -> None:
    ticket_id = await house.finished_call("c1", "1001")
    finder = house.oversight.finder
    assert isinstance(finder, FakeFinder)
    record = await house.calls.call("c1")
    assert record is not None
    finder.calls = [{**record, "category": "市容管理", "urgency": "普通", "score": 88}]
    wanted: dict[str, Any] = {"number": "15250322668", "text": "路灯", "agent_id": "1001"}
    async with await house.signed_in("3001") as inspector:
        answer = await inspector.get("/api/v1/call-search", params=wanted)
        refused = await inspector.get("/api/v1/call-search", params={"number": "%%%"})
    found = answer.json()["items"]
    assert [(c["call_id"], c["caller"], c["score"]) for c in found] == [("c1", "152****2668", 88)]
    assert found[0]["ticket_id"] == ticket_id
    assert finder.asked == [Sought(**wanted)]
    assert refused.status_code == 422
    kept = house.audit.entries[-1]
    assert (kept["who"], kept["action"]) == ("3001", "call.search")
    assert kept["detail"] == {**wanted, "number": "152****2668"}


async def test_an_inspector_judges_a_call(house: House) -> None:
    await house.finished_call("c1", "1001")
    body = {"scores": {**FULL, "closing": 0}, "marks": [{"at": 3.5, "note": "未报工号"}]}
    async with await house.signed_in("3001") as inspector:
        made = await inspector.post("/api/v1/calls/c1/assessments", json=body)
        seen = (await inspector.get("/api/v1/calls/c1/assessments")).json()
        unknown = await inspector.post("/api/v1/calls/c9/assessments", json=body)
    assert made.status_code == 201
    assert (made.json()["total"], made.json()["agent_id"]) == (95, "1001")
    assert seen["criteria"] == FULL
    assert seen["assessments"] == [made.json()]
    assert unknown.status_code == 404
    assert house.audit.entries[-1]["action"] == "call.assess"


@pytest.mark.parametrize(
    "scores, field",
    [
        ({**FULL, "charm": 1}, "scores.charm"),
        ({**FULL, "greeting": 11}, "scores.greeting"),
        ({k: v for k, v in FULL.items() if k != "answer"}, "scores.answer"),
    ],
)
async def test_what_cannot_be_scored_is_named(
    house: House, scores: dict[str, int], field: str
) -> None:
    await house.finished_call("c1", "1001")
    async with await house.signed_in("3001") as inspector:
        answer = await inspector.post("/api/v1/calls/c1/assessments", json={"scores": scores})
    assert answer.status_code == 422
    assert answer.json()["error"]["field"] == field


async def test_a_recordings_outline(house: House) -> None:
    await house.finished_call("c1", "1001")
    (house.folder / "c2.wav").write_bytes(b"no recording")
    async with await house.signed_in("3001") as inspector:
        answer = await inspector.get("/api/v1/calls/c1/waveform", params={"columns": 10})
        none = await inspector.get("/api/v1/calls/c2/waveform")
    assert answer.json() == {"seconds": 1.0, "channels": [[0.0] * 10, [0.0] * 10]}
    assert none.status_code == 404


async def test_accounts_are_changed_with_before_and_after(house: House) -> None:
    new = {
        "id": "1009",
        "name": "新人",
        "group": "外包一组",
        "password": "long enough",
        "phone_password": "long enough too",
    }
    async with await house.signed_in("9001") as admin:
        made = await admin.post("/api/v1/accounts", json=new)
        again = await admin.post("/api/v1/accounts", json=new)
        changed = await admin.patch(
            "/api/v1/accounts/1009", json={"role": "inspector", "password": "another one"}
        )
        own = await admin.patch("/api/v1/accounts/9001", json={"role": "agent"})
        nobody = await admin.patch("/api/v1/accounts/7777", json={"name": "谁"})
        everyone = (await admin.get("/api/v1/accounts")).json()
    assert made.json() == {"id": "1009", "name": "新人", "role": "agent", "group": "外包一组"}
    assert (again.status_code, own.status_code, nobody.status_code) == (409, 409, 404)
    assert changed.json()["role"] == "inspector"
    assert {account["id"] for account in everyone} >= {"1009", "9001"}
    assert await house.accounts.verify("1009", "another one") is not None
    entry = house.audit.entries[-1]
    assert (entry["action"], entry["subject"]) == ("account.change", "1009")
    assert entry["detail"]["before"] == {"name": "新人", "role": "agent", "group": "外包一组"}
    assert entry["detail"]["after"]["role"] == "inspector"
    assert "another one" not in encode({"kept": house.audit.entries})
