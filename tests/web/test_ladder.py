"""SIP ladders and metrics: who gets them."""

from calls.ladders import Ladder
from telephony.sip.ladder import Rung
from tests.web.house import House

RUNG = Rung(
    1.0,
    inbound=True,
    peer="192.0.2.7:5060/UDP",
    line="BYE sip:h SIP/2.0",
    cseq="2 BYE",
    call_id="a",
)


async def test_an_administrator_sees_a_calls_ladder(house: House) -> None:
    house.ladders.known["c1"] = Ladder([RUNG], ["BYE sip:h SIP/2.0\r\n"])
    async with await house.signed_in("9001") as admin, await house.signed_in("2001") as leader:
        found = (await admin.get("/api/v1/calls/c1/ladder")).json()
        assert found["rungs"][0]["cseq"] == "2 BYE"
        assert found["texts"] == ["BYE sip:h SIP/2.0\r\n"]
        drawn = await admin.get("/api/v1/calls/c1/ladder.txt")
        assert drawn.headers["content-type"].startswith("text/plain")
        assert " BYE " in drawn.text
        assert (await leader.get("/api/v1/calls/c1/ladder")).status_code == 403
        assert (await admin.get("/api/v1/calls/c2/ladder")).status_code == 404
    assert [entry["action"] for entry in house.audit.entries] == ["ladder.view"] * 2


async def test_only_the_named_networks_scrape(house: House) -> None:
    async with house.visitor() as visitor:
        assert (await visitor.get("/metrics")).text == "hotline_status 2.0\n"
    async with house.visitor(source=("192.0.2.1", 4000)) as stranger:
        assert (await stranger.get("/metrics")).status_code == 403
