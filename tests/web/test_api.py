"""What each role may do and see, and the one shape of refusals."""

import asyncio
from collections.abc import Mapping
from typing import NoReturn

import pytest
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from tests.web.house import House


async def test_ready_break_and_back(house: House) -> None:
    async with await house.signed_in("1001") as client:
        ready = await client.put("/api/v1/me/presence", json={"state": "ready"})
        assert ready.json()["state"] == "ready"
        resting = await client.put(
            "/api/v1/me/presence", json={"state": "not_ready", "reason": "meal"}
        )
    assert resting.json()["state"] == "not_ready"
    assert resting.json()["reason"] == "meal"


async def test_a_break_asked_for_during_a_call_is_told_as_pending(house: House) -> None:
    async with await house.signed_in("1001") as client:
        await client.put("/api/v1/me/presence", json={"state": "ready"})
        house.calls.offer("c1", "1001")
        house.calls.answer("c1")
        answer = await client.put(
            "/api/v1/me/presence", json={"state": "not_ready", "reason": "break"}
        )
    assert answer.json()["state"] == "talking"
    assert answer.json()["pending"] == "not_ready"
    assert answer.json()["pending_reason"] == "break"


async def test_wrap_up_can_be_ended(house: House) -> None:
    async with await house.signed_in("1001") as client:
        await house.finished_call("c1", "1001")
        assert (await client.get("/api/v1/me")).json()["presence"]["state"] == "wrap_up"
        answer = await client.post("/api/v1/me/wrap-up/end")
    assert answer.json()["state"] == "ready"


async def test_wrap_up_can_be_extended_once(house: House) -> None:
    async with await house.signed_in("1001") as client:
        assert (await client.post("/api/v1/me/wrap-up/extend")).status_code == 409
        await house.finished_call("c1", "1001")
        before = (await client.get("/api/v1/me")).json()["presence"]["wrap_up_until"]
        answer = await client.post("/api/v1/me/wrap-up/extend")
        again = await client.post("/api/v1/me/wrap-up/extend")
    assert answer.json()["wrap_up_until"] == before + 60
    assert again.status_code == 409


async def test_an_agent_sees_his_own_call_in_full(house: House) -> None:
    await house.finished_call("c1", "1001")
    async with await house.signed_in("1001") as client:
        call = (await client.get("/api/v1/calls/c1")).json()
        said = (await client.get("/api/v1/calls/c1/transcript")).json()
        listed = (await client.get("/api/v1/calls")).json()["items"]
        ticket = (await client.get("/api/v1/tickets/Tc1")).json()
    assert call["caller"] == "15250322668"
    assert call["segments"][0]["agent_id"] == "1001"
    assert said[0]["text"] == "我的电话是一五二五零三二二六六八"
    assert [item["call_id"] for item in listed] == ["c1"]
    assert ticket["fields"]["phone"] == {
        "value": "15250322668",
        "source": "caller_id",
        "evidence": None,
        "confidence": 0.95,
        "passage": None,
    }


@pytest.mark.parametrize(
    "method, path",
    [
        ("GET", "/api/v1/calls/c1"),
        ("GET", "/api/v1/calls/c1/transcript"),
        ("GET", "/api/v1/calls/c1/recording"),
        ("GET", "/api/v1/calls/live1"),
        ("POST", "/api/v1/calls/live1/hang-up"),
        ("GET", "/api/v1/tickets/Tc1"),
        ("PATCH", "/api/v1/tickets/Tc1"),
        ("POST", "/api/v1/tickets/Tc1/submit"),
    ],
)
async def test_others_calls_and_tickets_do_not_exist_for_an_agent(
    house: House, method: str, path: str
) -> None:
    await house.finished_call("c1", "1001")
    await house.floor.set_ready("1001")
    house.calls.offer("live1", "1001")
    house.calls.answer("live1")
    body = {"fields": {"name": "张三"}} if method == "PATCH" else None
    async with await house.signed_in("1002") as other:
        answer = await other.request(method, path, json=body)
        assert (await other.get("/api/v1/calls")).json()["items"] == []
        assert (await other.get("/api/v1/tickets")).json()["items"] == []
        assert (await other.get("/api/v1/calls/live")).json() == []
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "not_found"
    async with await house.signed_in("1001") as owner:
        answer = await owner.request(method, path, json=body)
    assert answer.status_code in {200, 204}


async def test_a_supervisor_sees_everything_masked(house: House) -> None:
    ticket_id = await house.finished_call("c1", "1001")
    house.calls.hear(ticket_id, "content", "请回电 15250322668，或 0512-53571234")
    await house.floor.set_ready("1001")
    house.calls.offer("live1", "1001")
    async with await house.signed_in("2001") as client:
        call = (await client.get("/api/v1/calls/c1")).json()
        live = (await client.get("/api/v1/calls/live")).json()
        ticket = (await client.get(f"/api/v1/tickets/{ticket_id}")).json()
        listed = (await client.get("/api/v1/tickets")).json()["items"]
        said = (await client.get("/api/v1/calls/c1/transcript")).json()
    assert call["caller"] == live[0]["caller"] == "152****2668"
    assert call["call_id"] == "c1"
    assert ticket["fields"]["phone"]["value"] == "152****2668"
    assert ticket["fields"]["content"]["value"] == "请回电 152****2668，或 051******1234"
    assert listed == [ticket]
    assert said[0]["text"] == "我的电话是一五二****二六六八"


async def test_a_supervisor_does_not_write_in_an_agents_name(house: House) -> None:
    ticket_id = await house.finished_call("c1", "1001")
    async with await house.signed_in("2001") as client:
        patched = await client.patch(
            f"/api/v1/tickets/{ticket_id}", json={"fields": {"name": "张三"}}
        )
        submitted = await client.post(f"/api/v1/tickets/{ticket_id}/submit")
    assert (patched.status_code, submitted.status_code) == (403, 403)


async def test_a_supervisor_may_hang_up_and_set_a_state(house: House) -> None:
    async with await house.signed_in("1001"), await house.signed_in("2001") as client:
        state = await client.post("/api/v1/agents/1001/presence", json={"state": "ready"})
        assert state.json()["state"] == "ready"
        house.calls.offer("c1", "1001")
        house.calls.answer("c1")
        assert (await client.post("/api/v1/calls/c1/hang-up")).status_code == 204
        assert (await client.post("/api/v1/calls/c1/hang-up")).status_code == 404
        absent = await client.post("/api/v1/agents/1002/presence", json={"state": "ready"})
    assert absent.status_code == 404


async def test_agents_are_listed_for_supervisors_only(house: House) -> None:
    async with await house.signed_in("1001") as agent:
        assert (await agent.get("/api/v1/agents")).status_code == 403
        assert (await agent.get("/api/v1/agents/1002")).status_code == 403
    async with await house.signed_in("9001") as admin:
        everyone = (await admin.get("/api/v1/agents")).json()
        one = await admin.get("/api/v1/agents/1001")
        nobody = await admin.get("/api/v1/agents/7777")
    assert {
        row["agent"]["id"]: row["presence"] and row["presence"]["state"] for row in everyone
    } == {
        "1001": "not_ready",
        "1002": None,
        "2001": None,
        "3001": None,
        "9001": None,
    }
    assert one.json()["agent"]["name"] == "王芳"
    assert nobody.status_code == 404


async def test_a_ticket_is_corrected_and_submitted_once(house: House) -> None:
    ticket_id = await house.finished_call("c1", "1001")
    async with await house.signed_in("1001") as client:
        changed = await client.patch(
            f"/api/v1/tickets/{ticket_id}",
            json={"fields": {"name": "张三", "urgency": "紧急", "address": None}},
        )
        house.calls.hear(ticket_id, "name", "章三")
        submitted = await client.post(f"/api/v1/tickets/{ticket_id}/submit")
        again = await client.post(f"/api/v1/tickets/{ticket_id}/submit")
        late = await client.patch(f"/api/v1/tickets/{ticket_id}", json={"fields": {"name": "李四"}})
        drafts = await client.get("/api/v1/tickets", params={"status": "draft"})
        state = (await client.get("/api/v1/me")).json()["presence"]["state"]
    assert changed.json()["fields"]["name"] == {
        "value": "张三",
        "source": "agent",
        "evidence": None,
        "confidence": 1.0,
        "passage": None,
    }
    assert changed.json()["fields"]["address"]["value"] is None
    assert submitted.json()["fields"]["name"]["value"] == "张三"
    assert submitted.json()["status"] == "submitted"
    assert (again.status_code, late.status_code) == (409, 409)
    assert again.json()["error"]["code"] == "already_submitted"
    assert drafts.json()["items"] == []
    assert state == "ready"


@pytest.mark.parametrize(
    "fields, field",
    [
        ({"phone": "123"}, "fields.phone"),
        ({"category": "没有这类"}, "fields.category"),
        ({"urgent": "yes"}, "fields.urgent"),
        ({"surname": "张"}, "fields.surname"),
        ({"type": None}, "fields.type"),
        ({"content": "长" * 10_001}, "fields.content"),
    ],
)
async def test_a_value_that_a_field_cannot_hold_is_named(
    house: House, fields: Mapping[str, object], field: str
) -> None:
    ticket_id = await house.finished_call("c1", "1001")
    async with await house.signed_in("1001") as client:
        answer = await client.patch(f"/api/v1/tickets/{ticket_id}", json={"fields": fields})
    assert answer.status_code == 422
    assert answer.json()["error"]["field"] == field


async def test_a_text_that_no_database_keeps_is_refused(house: House) -> None:
    ticket_id = await house.finished_call("c1", "1001")
    async with await house.signed_in("1001") as client:
        body = {"fields": {"content": "路灯\0不亮"}}
        answer = await client.patch(f"/api/v1/tickets/{ticket_id}", json=body)
    assert answer.status_code == 422
    assert "NUL" in answer.json()["error"]["message"]


async def test_what_is_not_json_is_told_apart_from_wrong_values(house: House) -> None:
    async with house.visitor() as client:
        broken = await client.post(
            "/api/v1/session", content=b"{", headers={"Content-Type": "application/json"}
        )
        lacking = await client.post("/api/v1/session", json={"agent_id": "1001"})
        unknown = await client.get("/api/v1/nothing")
        wrong = await client.put("/api/v1/session")
    assert (broken.status_code, broken.json()["error"]["code"]) == (400, "malformed")
    assert (lacking.status_code, lacking.json()["error"]["field"]) == (422, "password")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "not_found")
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (405, "method_not_allowed")


async def test_lists_come_in_parts(house: House) -> None:
    for number in range(3):
        await house.finished_call(f"c{number}", "1001")
    async with await house.signed_in("1001") as client:
        page = (await client.get("/api/v1/calls", params={"limit": 2, "offset": 1})).json()
        wrong = await client.get("/api/v1/calls", params={"limit": 0})
    assert [item["call_id"] for item in page["items"]] == ["c1", "c0"]
    assert wrong.json()["error"]["field"] == "limit"


async def test_a_recording_is_sent_whole_and_in_ranges(house: House) -> None:
    await house.finished_call("c1", "1001")
    async with await house.signed_in("1001") as client:
        whole = await client.get("/api/v1/calls/c1/recording")
        part = await client.get("/api/v1/calls/c1/recording", headers={"Range": "bytes=0-3"})
        beyond = await client.get("/api/v1/calls/c1/recording", headers={"Range": "bytes=9999999-"})
        (house.folder / "c1.wav").unlink()
        gone = await client.get("/api/v1/calls/c1/recording")
    assert whole.headers["content-type"] == "audio/wav"
    assert whole.content[:4] == b"RIFF"
    assert (part.status_code, part.content) == (206, b"RIFF")
    assert beyond.status_code == 416
    assert gone.status_code == 404


async def test_health_is_public_and_turns_red_only_when_no_call_can_be_taken(
    house: House,
) -> None:
    async with house.visitor() as client:
        house.health.status = "degraded"
        house.health.parts["recogniser"] = {"status": "no_model", "detail": "no model in var/"}
        degraded = await client.get("/api/v1/health")
        house.health.status = "down"
        down = await client.get("/api/v1/health")
    assert degraded.status_code == 200
    assert degraded.json()["parts"]["recogniser"]["detail"] == "no model in var/"
    assert degraded.json()["version"] == "0.1.0"
    assert down.status_code == 503


@pytest.mark.parametrize("fault", ["fails", "hangs"])
async def test_health_is_told_without_a_database_that_knows_who_asks(
    house: House, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await house.token("2001")

    async def get(_agent_id: str) -> NoReturn:
        if fault == "fails":
            raise OperationalError("SELECT", {}, OSError("connection refused"))
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(house.accounts, "get", get)
    monkeypatch.setattr("web.routes_health._WHO_SECONDS", 0.01)
    async with house.visitor(("203.0.113.5", 123)) as client:
        client.headers["Authorization"] = f"Bearer {token}"
        answer = await client.get("/api/v1/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("status", ["ok", "down"])
async def test_health_names_the_parts_to_supervisors_administrators_and_monitoring_alone(
    house: House, status: str
) -> None:
    house.health.status = status
    house.health.parts["trunks"] = {"status": "degraded", "detail": "telecom: no answer"}
    asked = {}
    for who in (None, "1001", "2001", "9001"):
        async with house.visitor(("203.0.113.5", 123)) as client:
            if who is not None:
                client.headers["Authorization"] = f"Bearer {await house.token(who)}"
            asked[who] = (await client.get("/api/v1/health")).json()
    assert asked[None] == asked["1001"] == {"status": status}
    for who in ("2001", "9001"):
        assert asked[who]["parts"]["trunks"]["detail"] == "telecom: no answer"
    async with house.visitor() as client:  # from a network that may scrape /metrics
        assert (await client.get("/api/v1/health")).json() == asked["2001"]


async def test_a_defect_of_ours_is_told_in_the_same_shape(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> list[object]:
        raise RuntimeError("a defect")

    async with await house.signed_in("1001") as client:
        monkeypatch.setattr(house.calls, "live", broken)
        client._transport.raise_app_exceptions = False  # type: ignore[attr-defined]
        with capture_logs() as logged:
            answer = await client.get("/api/v1/calls/live")
    assert [(entry["event"], entry["path"]) for entry in logged] == [
        ("request_failed", "/api/v1/calls/live")
    ]
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal"
    assert "defect" not in answer.text


async def test_nothing_personal_is_cached_and_nothing_foreign_is_loaded(house: House) -> None:
    async with await house.signed_in("1001") as client:
        me = await client.get("/api/v1/me")
        page = await client.get("/")
        docs = await client.get("/api/docs")
    assert me.headers["cache-control"] == "no-store"
    assert page.headers["cache-control"] == "no-cache"
    for answer in (page, docs):
        assert answer.status_code == 200
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'self';")
        assert "unsafe" not in policy
        assert "http://" not in answer.text
        assert "https://" not in answer.text
        assert "<style" not in answer.text


async def test_a_recording_that_was_changed_is_marked_and_noted(house: House) -> None:
    await house.finished_call("c1", "1001")
    url = "/api/v1/calls/c1/recording"
    async with await house.signed_in("1001") as client:
        unknown = await client.get(url)
        house.calls.intact["c1", 1] = True
        whole = await client.get(url)
        house.calls.intact["c1", 1] = False
        altered = await client.get(url)
    assert "Recording-Intact" not in unknown.headers
    assert [answer.headers["Recording-Intact"] for answer in (whole, altered)] == ["yes", "no"]
    noted = [(entry["action"], entry["detail"]) for entry in house.audit.entries[-2:]]
    assert noted == [("recording.listen", None), ("recording.altered", {"part": 1})]


async def test_an_agent_pauses_the_recording_of_the_own_call(house: House) -> None:
    await house.floor.sign_in("1001")
    await house.floor.set_ready("1001")
    house.calls.offer("c1", "1001")
    house.calls.answer("c1")
    url = "/api/v1/calls/c1/recording/pause"
    async with await house.signed_in("1001") as agent, await house.signed_in("1002") as other:
        assert (await other.put(url, json={"paused": True})).status_code == 404
        assert (await agent.put(url, json={"paused": "later"})).status_code == 422
        assert (await agent.put(url, json={"paused": True})).status_code == 204
        assert house.calls.paused == {"c1": True}
        assert (await agent.put(url, json={"paused": False})).status_code == 204
        assert house.calls.paused == {"c1": False}
        house.calls.records_calls = False
        refused = await agent.put(url, json={"paused": True})
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "not_recording")
        house.calls.end("c1")
        assert (await agent.put(url, json={"paused": True})).status_code == 404
    actions = [entry["action"] for entry in house.audit.entries]
    assert actions == ["recording.pause", "recording.resume"]
