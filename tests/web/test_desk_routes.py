"""Hold, mute, keys, the directory and places, over the API."""

from dataclasses import replace
from typing import Any

import pytest

from calls.errors import UnknownCall
from tests.web.house import House

pytestmark = pytest.mark.asyncio


async def talking(house: House) -> None:
    await house.floor.sign_in("1001")
    await house.floor.set_ready("1001")
    house.calls.offer("c1", "1001")
    house.calls.answer("c1")


async def asked(house: House, who: str, method: str, path: str, body: Any = None) -> Any:
    async with await house.signed_in(who) as client:
        return await client.request(method, f"/api/v1{path}", json=body)


async def test_hold_mute_and_keys_are_for_the_agent_who_talks(house: House) -> None:
    await talking(house)
    for path, method, body in (
        ("/calls/c1/hold", "PUT", {"held": True}),
        ("/calls/c1/mute", "PUT", {"muted": True}),
        ("/calls/c1/keys", "POST", {"keys": "1#"}),
    ):
        assert (await asked(house, "1001", method, path, body)).status_code == 204
        assert (await asked(house, "1002", method, path, body)).status_code == 404
        assert (await asked(house, "2001", method, path, body)).status_code == 403
        missing = await asked(house, "1001", method, path.replace("c1", "c2"), body)
        assert missing.status_code == 404
    (live,) = (await asked(house, "1001", "GET", "/calls/live")).json()
    assert (live["held_by"], live["muted"]) == (["agent"], True)
    assert house.calls.asked == [("c1", "keys", "1#")]
    with pytest.raises(UnknownCall):
        house.calls.view("c2")


async def test_the_agents_own_phone_answers_by_a_click_where_it_can(house: House) -> None:
    await house.floor.sign_in("1001")
    await house.floor.set_ready("1001")
    house.calls.offer("c1", "1001")
    refused = await asked(house, "1001", "POST", "/calls/c1/answer")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "not_by_click")
    house.calls.change(replace(house.calls.view("c1"), by_click=True))
    (live,) = (await asked(house, "1001", "GET", "/calls/live")).json()
    assert live["by_click"] is True
    assert (await asked(house, "2001", "POST", "/calls/c1/answer")).status_code == 403
    assert (await asked(house, "1002", "POST", "/calls/c1/answer")).status_code == 404
    assert (await asked(house, "1001", "POST", "/calls/c1/answer")).status_code == 202
    assert house.calls.view("c1").state == "talking"


@pytest.mark.parametrize("keys", ["", "x", "1 2", "1" * 33, "一"])
async def test_only_keys_are_pressed(house: House, keys: str) -> None:
    await talking(house)
    refused = await asked(house, "1001", "POST", "/calls/c1/keys", {"keys": keys})
    assert refused.status_code == 422
    assert house.calls.asked == []


async def test_during_a_consultation_there_is_no_hold(house: House) -> None:
    await talking(house)
    body = {"target": "partner:110", "mode": "consult"}
    await asked(house, "1001", "POST", "/calls/c1/transfer", body)
    refused = await asked(house, "1001", "PUT", "/calls/c1/hold", {"held": True})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "transfer_under_way")


@pytest.mark.parametrize(
    "typed,targets",
    [
        ("", ["partner:110", "agent:1002", "line:12345", "skill:english", "skill:general"]),
        ("110", ["partner:110"]),
        ("gabj", ["partner:110"]),
        ("治安", ["partner:110"]),
        ("zhian", ["partner:110"]),
        ("lq", ["agent:1002"]),
        ("便民", ["line:12345"]),
        ("nobody", []),
    ],
)
async def test_the_directory_is_searched(house: House, typed: str, targets: list[str]) -> None:
    await talking(house)
    await house.floor.sign_in("1002")
    found = (await asked(house, "1001", "GET", f"/directory?q={typed}")).json()
    assert [entry["target"] for entry in found] == targets


async def test_the_directory_says_who_can_be_had_now(house: House) -> None:
    await house.floor.sign_in("1002")
    (busy,) = (await asked(house, "1001", "GET", "/directory?q=1002")).json()
    assert (busy["name"], busy["available"], busy["state"]) == ("李强", False, "not_ready")
    await house.floor.set_ready("1002")
    (ready,) = (await asked(house, "1001", "GET", "/directory?q=1002")).json()
    assert (ready["available"], ready["state"]) == (True, "ready")


async def test_a_place_is_completed(house: House) -> None:
    found = await asked(house, "1001", "GET", "/places?q=平江街道临")
    assert found.json() == []
    found = await asked(house, "1001", "GET", "/places?q=平江街道临顿")
    assert found.json() == [{"name": "临顿路", "kind": "道路", "start": 4}]


async def test_while_it_rings_the_agent_sees_the_callers_history_but_not_his_number(
    house: House,
) -> None:
    await talking(house)
    house.calls.hear("Tc1", "urgency", "紧急", "着火")
    house.calls.end("c1")
    await house.floor.end_wrap_up("1001")
    house.calls.offer("c2", "1001")
    (live,) = (await asked(house, "1001", "GET", "/calls/live")).json()
    assert live["caller"] == "152****2668"
    (earlier,) = (await asked(house, "1001", "GET", "/calls/c2/history")).json()
    assert (earlier["id"], earlier["urgency"]) == ("Tc1", "紧急")
    assert (await asked(house, "1002", "GET", "/calls/c2/history")).status_code == 404
    house.calls.answer("c2")
    (live,) = (await asked(house, "1001", "GET", "/calls/live")).json()
    assert live["caller"] == "15250322668"
    earlier = (await asked(house, "1001", "GET", "/calls/c2/history")).json()
    assert [ticket["id"] for ticket in earlier] == ["Tc1"]  # not the one being written


async def test_categories_are_searched_by_pinyin(house: House) -> None:
    found = (await asked(house, "1001", "GET", "/categories/search?q=dlss")).json()
    assert found[0] == {"category": "道路设施", "topic": None}
    found = (await asked(house, "1001", "GET", "/categories/search?q=路灯")).json()
    assert {"道路设施"} == {entry["category"] for entry in found}
    assert any("路灯" in (entry["topic"] or "") for entry in found)
