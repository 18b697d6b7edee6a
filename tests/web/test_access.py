"""Who may ask for what: the table is whole, and every route does what its row says."""

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, APIWebSocketRoute
from starlette.routing import BaseRoute
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.web.house import House
from web.access import EVERYBODY, PUBLIC, ROLES, TABLE
from web.pages import PAGES

BASE = "/api/v1"
PEOPLE = {"agent": "1001", "supervisor": "2001", "inspector": "3001", "admin": "9001"}


def _leaves(router: Any) -> Iterator[BaseRoute]:
    for route in router.routes:
        inner = getattr(route, "original_router", None)
        if inner is None:
            yield route
        else:
            yield from _leaves(inner)


def _rows(app: FastAPI) -> set[str]:
    documented = app.openapi()["paths"].items()
    rows = {
        f"{method.upper()} {path.removeprefix(BASE)}"
        for path, methods in documented
        for method in methods
    }
    feeds = (route for route in _leaves(app) if isinstance(route, APIWebSocketRoute))
    return rows | {f"WS {route.path}" for route in feeds}


def test_what_is_not_in_the_document_are_pages_and_metrics(house: House) -> None:
    hidden = {
        route.path
        for route in _leaves(house.app)
        if isinstance(route, APIRoute) and not route.include_in_schema
    }
    assert hidden == {*PAGES, "/metrics"}


def test_every_route_has_a_row_and_every_row_a_route(house: House) -> None:
    assert _rows(house.app) == set(TABLE)


def test_everybody_is_whoever_has_a_role(house: House) -> None:
    assert {person.role for person in house.accounts.people.values()} == set(ROLES) == EVERYBODY


def _requests() -> list[tuple[str, str]]:
    rows = (row.split(" ", 1) for row in TABLE)
    return [(method, path) for method, path in rows if method != "WS"]


def _filled(path: str) -> str:
    return BASE + re.sub(r"\{\w+\}", "x", path)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """One for all: making the application costs more than asking it."""
    return House(tmp_path_factory.mktemp("house"))


@pytest.mark.parametrize("method, path", _requests())
async def test_a_route_refuses_exactly_whom_its_row_leaves_out(
    house: House, method: str, path: str
) -> None:
    allowed = TABLE[f"{method} {path}"]
    async with house.visitor() as nobody:
        answer = await nobody.request(method, _filled(path))
        assert (answer.status_code != HTTPStatus.UNAUTHORIZED) == (allowed == PUBLIC)
    if allowed == PUBLIC:
        return
    for role, person in PEOPLE.items():
        async with await house.signed_in(person) as client:
            answer = await client.request(method, _filled(path))
        refused = answer.status_code == HTTPStatus.FORBIDDEN
        assert refused == (role not in allowed), (role, answer.text)


@pytest.mark.parametrize(
    "path", [row.removeprefix("WS ") for row in TABLE if row.startswith("WS ")]
)
async def test_a_feed_admits_exactly_whom_its_row_names(
    house: House, served: tuple[str, int], path: str
) -> None:
    url = f"ws://{served[0]}:{served[1]}{BASE}{path}"
    with pytest.raises(InvalidStatus) as denied:
        async with connect(url):
            pass
    assert denied.value.response.status_code == HTTPStatus.UNAUTHORIZED
    for role, person in PEOPLE.items():
        headers = {"Authorization": f"Bearer {await house.token(person)}"}
        if role in TABLE[f"WS {path}"]:
            async with connect(url, additional_headers=headers):
                pass
            continue
        with pytest.raises(InvalidStatus) as denied:
            async with connect(url, additional_headers=headers):
                pass
        assert denied.value.response.status_code == HTTPStatus.FORBIDDEN
