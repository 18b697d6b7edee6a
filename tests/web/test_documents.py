"""Administrators look at documents and change them."""

from collections.abc import AsyncIterator
from http import HTTPStatus

import httpx
import pytest

from tests.web.house import House

URL = "/api/v1/documents"
FIRE = {"name": "消防", "numbers": ["119"], "hours": "00:00-23:59", "shares": ["address"]}


@pytest.fixture
async def admin(house: House) -> AsyncIterator[httpx.AsyncClient]:
    async with await house.signed_in("9001") as client:
        yield client


async def test_the_list_names_them(admin: httpx.AsyncClient) -> None:
    listed = (await admin.get(URL)).json()
    assert [one["name"] for one in listed] == [
        *(
            "routing",
            "partners",
            "handling",
            "urgency",
            "templates",
            "categories",
            "gazetteer",
            "prompts",
        )
    ]
    assert all(one["version"] == 0 and not one["changed"] for one in listed)
    assert all(one["unusable"] is None for one in listed)


async def test_a_partner_is_added_and_removed_and_the_trail_says_so(
    house: House, admin: httpx.AsyncClient
) -> None:
    url = f"{URL}/partners/entries/partners/119"
    put = await admin.put(url, json={"entry": FIRE}, params={"version": 0})
    assert put.status_code == HTTPStatus.OK, put.text
    assert put.json()["version"] == 1
    assert house.documents["partners"].value.partners["119"].numbers == ("119",)
    stale = await admin.put(url, json={"entry": FIRE}, params={"version": 0})
    assert stale.status_code == HTTPStatus.CONFLICT
    assert (await admin.delete(url, params={"version": 1})).json()["version"] == 2
    (removed, added) = (await admin.get(f"{URL}/partners/changes")).json()["items"]
    assert (added["who"], added["subject"], added["before"]) == ("9001", "partners.119", None)
    assert removed["before"] == added["after"]
    kept = (await admin.get(f"{URL}/partners/versions/1")).json()["document"]
    assert kept["partners"]["119"]["hours"] == "00:00-23:59"


async def test_a_refusal_names_the_field(house: House, admin: httpx.AsyncClient) -> None:
    wrong = {"entry": {**FIRE, "hours": "8-17"}}
    answer = await admin.put(f"{URL}/partners/entries/partners/119", json=wrong)
    assert answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert answer.json()["error"]["field"] == "partners.119.hours"
    assert house.documents["partners"].version == 0


async def test_a_list_of_names_is_tried_before_it_counts(
    house: House, admin: httpx.AsyncClient
) -> None:
    text = "名称,类别\n锦都花园,小区\n临顿路,道路\n"
    body = {"document": {"text": text, "format": "csv"}}
    tried = await admin.post(f"{URL}/gazetteer/check", json=body)
    assert tried.json()["counts"] == {"names": 2, "kinds": 2, "same_sound": 0}
    assert house.documents["gazetteer"].version == 0
    assert (await admin.put(f"{URL}/gazetteer", json=body)).json()["version"] == 1
    assert (await admin.get(f"{URL}/gazetteer")).json()["document"]["text"] == text
    (change,) = (await admin.get(f"{URL}/gazetteer/changes")).json()["items"]
    assert "临顿路,道路" in change["after"]

    wrong = {"document": {"text": text + "x,y\n"}}
    answer = await admin.post(f"{URL}/gazetteer/check", json=wrong)
    assert answer.json()["error"]["field"] == "text:4"
    assert (await admin.delete(f"{URL}/gazetteer")).json()["changed"] is False


async def test_a_text_is_changed_row_by_row(house: House, admin: httpx.AsyncClient) -> None:
    shown = (await admin.get(f"{URL}/urgency/rows")).json()
    rules = shown["rows"]["rule"]
    assert (rules[0]["level"], shown["version"]) == ("特急", 0)
    moved = [rules[1], rules[0], *rules[2:]]
    url = f"{URL}/urgency/rows/rule"
    put = await admin.put(url, json={"rows": moved}, params={"version": 0})
    assert put.json()["rows"]["rule"] == moved
    stale = await admin.put(url, json={"rows": rules}, params={"version": 0})
    assert stale.status_code == HTTPStatus.CONFLICT
    text = (await admin.get(f"{URL}/urgency")).json()["document"]["text"]
    assert text.startswith("# What cannot wait.")
    fewer = await admin.put(url, json={"rows": moved[1:]}, params={"version": 1})
    assert fewer.json()["version"] == 2
    (change, _) = (await admin.get(f"{URL}/urgency/changes")).json()["items"]
    assert (change["who"], change["after"]) == ("9001", [])
    assert any(rules[1]["reason"] in line for line in change["before"])
    wrong = await admin.put(url, json={"rows": [*rules, {**rules[0], "any": ["("]}]})
    assert wrong.json()["error"]["field"] == f"rule.{len(rules)}.any.0"
    assert house.documents["urgency"].version == 2


@pytest.mark.parametrize(
    "method, path",
    [
        ("GET", "/nothing"),
        ("GET", "/partners/versions/7"),
        ("DELETE", "/partners/entries/partners/x"),
        ("DELETE", "/gazetteer/entries/text/x"),
        ("GET", "/partners/rows"),
    ],
)
async def test_what_is_not_there(admin: httpx.AsyncClient, method: str, path: str) -> None:
    answer = await admin.request(method, URL + path)
    assert answer.status_code == HTTPStatus.NOT_FOUND
