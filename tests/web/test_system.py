from http import HTTPStatus

from tests.web.house import House


async def test_supervisors_and_administrators_see_how_the_whole_is(house: House) -> None:
    for who in ("2001", "9001"):
        async with await house.signed_in(who) as client:
            told = (await client.get("/api/v1/system")).json()
        assert told["version"] == "0.1.0"
        assert [trunk["up"] for trunk in told["trunks"]] == [True, False]
        assert told["alarms"][0]["part"] == "trunks"
    for who in ("1001", "3001"):
        async with await house.signed_in(who) as client:
            assert (await client.get("/api/v1/system")).status_code == HTTPStatus.FORBIDDEN
