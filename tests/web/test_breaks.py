"""Reasons for being not ready over the API: those of the list, within the day's allowance."""

from http import HTTPStatus

import pytest

from eventbus.catalogue import AgentPresence
from tests.web.house import House

NOT_READY = "/api/v1/me/presence"


async def test_a_reason_has_to_be_one_of_the_documents(house: House) -> None:
    async with await house.signed_in("1001") as agent:
        answer = await agent.put(NOT_READY, json={"state": "not_ready", "reason": "fishing"})
        error = answer.json()["error"]
        assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
        assert (error["code"], error["field"]) == ("unknown_reason", "reason")
        await house.routing.put("reasons", "fishing", {"name": "钓鱼"}, who="9001")
        answer = await agent.put(NOT_READY, json={"state": "not_ready", "reason": "fishing"})
        assert answer.json()["reason"] == "fishing"


@pytest.mark.parametrize("strict", [True, False])
async def test_what_is_used_up_is_shown_and_refused_if_strict(
    house: House, *, strict: bool
) -> None:
    house.routing.plan.settings.reasons["meal"] = house.routing.plan.settings.reasons[
        "meal"
    ].model_copy(update={"strict": strict, "minutes": 1})
    async with await house.signed_in("1001") as agent, await house.signed_in("2001") as leader:
        now = house.clock()
        for state, at in (("not_ready", now - 61), ("ready", now)):
            house.bus.publish(
                AgentPresence(at=at, agent_id="1001", state=state, reason="meal", since=at)
            )
        mine = {one["reason"]: one for one in (await agent.get("/api/v1/me/breaks")).json()}
        seen = (await leader.get("/api/v1/agents/1001/breaks")).json()
        assert mine["meal"]["used_seconds"] == 61
        assert list(mine.values()) == seen
        answer = await agent.put(NOT_READY, json={"state": "not_ready", "reason": "meal"})
        assert answer.status_code == (HTTPStatus.CONFLICT if strict else HTTPStatus.OK)
        if strict:
            assert answer.json()["error"]["code"] == "allowance_used"
        force = "/api/v1/agents/1001/presence"
        forced = await leader.post(force, json={"state": "not_ready", "reason": "meal"})
        assert forced.status_code == HTTPStatus.OK  # his leader can
        assert (await agent.get("/api/v1/agents/1001/breaks")).status_code == HTTPStatus.FORBIDDEN


async def test_who_is_not_ready_sees_how_long_he_may_be(house: House) -> None:
    reasons = house.routing.plan.settings.reasons
    reasons["meal"] = reasons["meal"].model_copy(update={"strict": False, "minutes": 1})
    async with await house.signed_in("1001") as agent:
        now = house.clock()
        for state, at in (("not_ready", now - 20), ("ready", now)):
            house.bus.publish(
                AgentPresence(at=at, agent_id="1001", state=state, reason="meal", since=at)
            )
        answer = await agent.put(NOT_READY, json={"state": "not_ready", "reason": "meal"})
        assert answer.json()["break_left"] == 40
        assert (await agent.get("/api/v1/me")).json()["presence"]["break_left"] == 40
        answer = await agent.put(NOT_READY, json={"state": "not_ready", "reason": "other"})
        assert answer.json()["break_left"] is None  # as long as he needs
        answer = await agent.put(NOT_READY, json={"state": "ready"})
        assert answer.json()["break_left"] is None
