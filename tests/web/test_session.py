import pytest

from agents.accounts import TooManyAttempts
from tests.web.fake_people import PASSWORD
from tests.web.house import BASE, House
from web.auth import COOKIE

OURS = {"X-Requested-With": "hotline"}


async def test_signing_in_puts_an_agent_on_the_floor_not_ready(house: House) -> None:
    async with house.visitor() as client:
        answer = await client.post(
            "/api/v1/session", json={"agent_id": "1001", "password": PASSWORD}
        )
        assert answer.status_code == 201
        assert answer.json()["agent"] == {
            "id": "1001",
            "name": "王芳",
            "role": "agent",
            "group": "市级",
        }
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        me = (await client.get("/api/v1/me")).json()
    assert me["presence"]["state"] == "not_ready"
    assert me["agent"]["id"] == "1001"


async def test_a_supervisor_stays_off_the_floor(house: House) -> None:
    async with await house.signed_in("2001") as client:
        assert (await client.get("/api/v1/me")).json()["presence"] is None


async def test_a_token_is_256_random_bits_and_never_the_same(house: House) -> None:
    first, second = await house.token("1001"), await house.token("1001")
    assert first != second
    assert len(first) >= 43  # 256 bits in base64url


@pytest.mark.parametrize("body", [("1001", "wrong"), ("7777", PASSWORD)])
async def test_wrong_credentials_are_refused_alike(house: House, body: tuple[str, str]) -> None:
    async with house.visitor() as client:
        answer = await client.post(
            "/api/v1/session", json={"agent_id": body[0], "password": body[1]}
        )
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "wrong_password"
    assert "set-cookie" not in answer.headers


async def test_the_brake_says_when_to_try_again(house: House) -> None:
    async with house.visitor() as client:
        for _ in range(3):
            await client.post("/api/v1/session", json={"agent_id": "1001", "password": "x"})
        answer = await client.post(
            "/api/v1/session", json={"agent_id": "1001", "password": PASSWORD}
        )
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "8"  # 7.4 s, and not a moment too early
    assert answer.json()["error"]["code"] == "too_many_attempts"


async def test_the_brake_on_a_whole_address_says_so(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def held(_agent_id: str, _password: str, *, source: str) -> None:
        assert source == "127.0.0.1"
        raise TooManyAttempts(9.1, with_any=True)

    monkeypatch.setattr(house.accounts, "verify", held)
    async with house.visitor() as client:
        answer = await client.post(
            "/api/v1/session", json={"agent_id": "1001", "password": PASSWORD}
        )
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "10")
    assert answer.json()["error"]["code"] == "too_many_from_here"


async def test_signing_out_ends_the_session_and_leaves_the_floor(house: House) -> None:
    async with await house.signed_in("1001") as client:
        assert (await client.delete("/api/v1/session")).status_code == 204
        answer = await client.get("/api/v1/me")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    presence = await house.floor.presence("1001")
    assert presence is not None
    assert presence.state == "signed_out"


async def test_an_idle_session_ends_and_a_used_one_does_not(house: House) -> None:
    async with await house.signed_in("1001") as client:
        for _ in range(3):
            house.clock.now += 500
            assert (await client.get("/api/v1/me")).status_code == 200
        house.clock.now += 601
        assert (await client.get("/api/v1/me")).status_code == 401


async def test_what_a_page_asks_by_itself_is_no_use_of_the_session(house: House) -> None:
    async with await house.signed_in("1001") as client:
        house.clock.now += 599
        alone = await client.get("/api/v1/me", headers={"X-Unattended": "1"})
        assert alone.status_code == 200
        house.clock.now += 2
        assert (await client.get("/api/v1/me")).status_code == 401


async def test_a_new_password_ends_what_was_signed_in_by_the_former(house: House) -> None:
    async with await house.signed_in("9001") as admin, await house.signed_in("9001") as forgotten:
        async with await house.signed_in("1001") as agent:
            for person in ("1001", "9001"):
                answer = await admin.patch(
                    f"/api/v1/accounts/{person}", json={"password": "a new one, and long"}
                )
                assert answer.status_code == 200
            assert (await agent.get("/api/v1/me")).status_code == 401
        assert (await forgotten.get("/api/v1/me")).status_code == 401
        assert (await admin.get("/api/v1/me")).status_code == 200


async def test_an_account_that_is_gone_takes_its_sessions_along(house: House) -> None:
    async with await house.signed_in("1001") as client:
        del house.accounts.people["1001"]
        assert (await client.get("/api/v1/me")).status_code == 401


@pytest.mark.parametrize(
    "headers, status",
    [
        ({}, 403),
        ({"Origin": "http://evil.test"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": BASE}, 200),
        (OURS, 200),
    ],
)
async def test_a_cookie_alone_changes_nothing(
    house: House, headers: dict[str, str], status: int
) -> None:
    token = await house.token("1001")
    async with house.visitor() as client:
        client.cookies.set(COOKIE, token)
        answer = await client.put("/api/v1/me/presence", json={"state": "ready"}, headers=headers)
        assert (await client.get("/api/v1/me")).status_code == 200
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["error"]["code"] == "csrf"


async def test_a_wrong_bearer_is_not_saved_by_a_good_cookie(house: House) -> None:
    token = await house.token("1001")
    async with house.visitor() as client:
        client.cookies.set(COOKIE, token)
        answer = await client.get("/api/v1/me", headers={"Authorization": "Bearer nonsense"})
    assert answer.status_code == 401
