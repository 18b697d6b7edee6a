"""Administrators look at the routing document and change it."""

from collections.abc import AsyncIterator
from http import HTTPStatus

import httpx
import pytest

from eventbus.catalogue import Event, RoutingChanged
from tests.web.house import House

ENGLISH = {"skills": ["general"], "language": "english", "hours": ["1-5 08:30-17:30"]}


@pytest.fixture
async def admin(house: House) -> AsyncIterator[httpx.AsyncClient]:
    async with await house.signed_in("9001") as client:
        yield client


async def test_only_administrators_see_it(house: House) -> None:
    for who in ("1001", "2001"):
        async with await house.signed_in(who) as client:
            assert (await client.get("/api/v1/routing")).status_code == HTTPStatus.FORBIDDEN


async def test_a_change_counts_at_once_and_is_in_the_trail(
    house: House, admin: httpx.AsyncClient
) -> None:
    told: list[Event] = []
    house.bus.subscribe(told.append)
    answer = await admin.put("/api/v1/routing/lines/12345", json=ENGLISH, params={"version": 0})

    assert answer.status_code == HTTPStatus.OK, answer.text
    assert answer.json()["version"] == 1
    assert answer.json()["document"]["lines"]["12345"]["language"] == "english"
    plan = house.routing.plan.plan("12345", now=house.clock())
    assert plan.skills == ("english", "general")
    assert [event.version for event in told if isinstance(event, RoutingChanged)] == [1]
    (change,) = (await admin.get("/api/v1/routing/changes")).json()["items"]
    assert (change["who"], change["subject"], change["before"]) == ("9001", "lines.12345", None)
    assert change["after"]["language"] == "english"

    again = await admin.put("/api/v1/routing/lines/12345", json=ENGLISH, params={"version": 0})
    assert again.status_code == HTTPStatus.CONFLICT
    assert again.json()["error"]["code"] == "stale"


@pytest.mark.parametrize(
    "path, body, field",
    [
        ("lines/12345", {"rule": "nowhere"}, "lines.12345.rule"),
        ("lines/12345", {"hours": ["25:00-26:00"]}, "lines.12345.hours.0"),
        ("agents/1001", {"skills": {"english": 10}}, "agents.1001.skills.english"),
        ("groups/own", {"colour": "red"}, "groups.own.colour"),
        ("callers/vip", {"number": "("}, "callers.vip.number"),
        (
            "rules/odd",
            {"steps": [{"groups": ["gone", "own"], "lent": True}]},
            "rules.odd.steps.0.groups",
        ),
    ],
)
async def test_what_cannot_be_is_named_and_changes_nothing(
    house: House, admin: httpx.AsyncClient, path: str, body: dict[str, object], field: str | None
) -> None:
    answer = await admin.put(f"/api/v1/routing/{path}", json=body)
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert answer.json()["error"]["field"] == field
    assert house.routing.version == 0


async def test_what_is_named_elsewhere_cannot_be_removed(admin: httpx.AsyncClient) -> None:
    answer = await admin.delete("/api/v1/routing/groups/linkage")
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert answer.json()["error"]["field"] == "rules.usual.steps.1.groups"
    assert (await admin.delete("/api/v1/routing/lines/1")).status_code == HTTPStatus.NOT_FOUND


async def test_the_whole_document_can_be_put_and_taken_back(
    house: House, admin: httpx.AsyncClient
) -> None:
    document = (await admin.get("/api/v1/routing")).json()["document"]
    document["preferred_days"] = 30
    assert (await admin.put("/api/v1/routing", json=document)).json()["version"] == 1
    assert house.routing.settings.preferred_days == 30
    assert (await admin.delete("/api/v1/routing")).json()["version"] == 2
    assert house.routing.settings.preferred_days == 7
    (last, first) = (await admin.get("/api/v1/routing/changes")).json()["items"]
    assert (first["before"], first["after"]) == ({"preferred_days": 7}, {"preferred_days": 30})
    assert last["after"] == {"preferred_days": 7}


async def test_everybody_sees_why_he_may_be_not_ready(house: House) -> None:
    async with await house.signed_in("1001") as agent:
        reasons = (await agent.get("/api/v1/routing/reasons")).json()
    assert reasons[0] == {"reason": "break", "name": "小休", "minutes": 60}
