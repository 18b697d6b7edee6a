"""Reports over the API: who gets them, in which format, and the trail."""

import pytest

from tests.web.house import House


@pytest.mark.parametrize(
    "format_, media_type, begins",
    [
        ("json", "application/json", b"{"),
        ("csv", "text/csv", b"\xef\xbb\xbf"),
        ("xlsx", "application/vnd.openxml", b"PK"),
        ("html", "text/html", b"<!doctype html>"),
    ],
)
async def test_a_leader_gets_each_format(
    house: House, format_: str, media_type: str, begins: bytes
) -> None:
    async with await house.signed_in("2001") as leader:
        answer = await leader.get("/api/v1/reports/2026-W47", params={"format": format_})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(media_type)
    assert answer.content.startswith(begins)
    assert "script-src" not in answer.headers["content-security-policy"]
    entry = house.audit.entries[-1]
    assert (entry["who"], entry["action"], entry["subject"], entry["detail"]) == (
        "2001",
        "report.export",
        "2026-W47",
        {"format": format_},
    )


async def test_the_page_names_who_took_it_out(house: House) -> None:
    async with await house.signed_in("2001") as leader:
        page = (await leader.get("/api/v1/reports/2026-11?format=html")).text
    assert "导出人 2001" in page


async def test_agents_get_none_and_nonsense_is_explained(house: House) -> None:
    async with await house.signed_in("1001") as agent, await house.signed_in("2001") as leader:
        assert (await agent.get("/api/v1/reports/2026-11")).status_code == 403
        wrong = await leader.get("/api/v1/reports/monday")
        assert (wrong.status_code, wrong.json()["error"]["field"]) == (422, "period")
        none = await leader.get("/api/v1/reports/2026-13")
        assert (none.status_code, "2026-13" in none.json()["error"]["message"]) == (404, True)
        assert (await leader.get("/api/v1/reports/2026-11?format=pdf")).status_code == 422
