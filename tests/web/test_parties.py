"""One key, experts and dropping a party over the API."""

from tests.web.house import House


async def test_one_key_and_drop(house: House) -> None:
    await house.floor.sign_in("1001")
    await house.floor.set_ready("1001")
    house.calls.offer("c1", "1001")
    house.calls.answer("c1")
    async with await house.signed_in("1001") as agent:
        pressed = await agent.post("/api/v1/calls/c1/one-key/110", json={"reason": "斗殴"})
        assert pressed.status_code == 202
        unknown = await agent.post("/api/v1/calls/c1/one-key/911", json={})
        assert (unknown.status_code, unknown.json()["error"]["code"]) == (409, "transfer_under_way")
        assert (await agent.delete("/api/v1/calls/c1/parties/p1-1.0")).status_code == 204
        nobody = await agent.delete("/api/v1/calls/c1/parties/p9-1.0")
        assert (nobody.status_code, nobody.json()["error"]["code"]) == (404, "unknown_party")
    async with await house.signed_in("1002") as other:
        assert (await other.post("/api/v1/calls/c1/one-key/110", json={})).status_code == 404
        assert (await other.delete("/api/v1/calls/c1/parties/p1-1.0")).status_code == 404
    assert house.calls.asked == [("c1", "partner:110", "blind", "1001"), ("c1", "drop", "p1-1.0")]


async def test_experts(house: House) -> None:
    async with await house.signed_in("1001") as agent:
        (water,) = (await agent.get("/api/v1/experts", params={"topic": "供水"})).json()
        assert (water["target"], water["on_duty"]) == ("expert:water", True)
        assert (await agent.get("/api/v1/experts", params={"topic": "消防"})).json() == []
        (police,) = (await agent.get("/api/v1/partners")).json()
        assert (police["health"], police["one_key"]) == ("unknown", "blind")
