"""Two applications on one Redis: requests for what the other node holds are answered by it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from calls.errors import UnknownCall
from eventbus.asking import NodeAsking
from tests.support.redis_server import RedisServer, running_redis
from tests.support.waiting import PATIENCE, until
from tests.web.house import House
from web.auth import Viewer
from web.body_limit import ORDINARY
from web.feed_route import snapshot
from web.other_nodes import OtherNodes
from web.sessions import session_digest


@dataclass
class Holders:
    """Who holds what, as the test says."""

    node: str
    unrecorded: str = ""
    calls: dict[str, str] = field(default_factory=dict)
    tickets: dict[str, str] = field(default_factory=dict)

    async def of_call(self, call_id: str) -> str | None:
        if call_id == self.unrecorded:
            raise UnknownCall(call_id)
        return self.calls.get(call_id)

    def holds(self, call_id: str) -> bool:
        return (self.node, call_id) == ("there", "c1")

    async def of_ticket(self, ticket_id: str) -> str | None:
        return self.tickets.get(ticket_id)


@dataclass
class Pair:
    """The node that is asked, and the other."""

    here: House
    there: House
    holders: Holders


@pytest.fixture
async def server() -> AsyncIterator[RedisServer]:
    async with running_redis() as server:
        yield server


@pytest.fixture
async def pair(server: RedisServer, tmp_path: Path) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        holders = Holders("here")
        houses: list[House] = []
        for name in ("here", "there"):
            redis = Redis.from_url(server.url)
            stack.push_async_callback(redis.aclose)
            asking = NodeAsking(redis=redis, node=name, prefix="test", patience=PATIENCE)
            others = OtherNodes(asking, holders if name == "here" else Holders(name))
            folder = tmp_path / name
            folder.mkdir()
            sessions = houses[0].sessions if houses else None
            houses.append(House(folder, others=others, shared_sessions=sessions))
            await asking.start()
            stack.push_async_callback(asking.close)
            await until(lambda: asking.connected)  # noqa: B023 -- awaited within the turn
        yield Pair(houses[0], houses[1], holders)


async def talks_there(pair: Pair) -> str:
    """Let agent 1001 talk in a call of the other node; return the ticket."""
    await pair.there.floor.sign_in("1001")
    await pair.there.floor.set_ready("1001")
    pair.there.calls.offer("c1", "1001")
    ticket_id = pair.there.calls.answer("c1")
    pair.holders.calls["c1"] = pair.holders.tickets[ticket_id] = "there"
    return ticket_id


async def test_what_is_asked_of_a_call_is_done_where_it_is(pair: Pair) -> None:
    await talks_there(pair)
    async with await pair.here.signed_in("1001") as agent:
        body = {"target": "partner:110", "mode": "blind", "reason": "斗殴"}
        begun = await agent.post("/api/v1/calls/c1/transfer", json=body)
        assert (begun.status_code, begun.json()) == (202, None)
        again = await agent.post("/api/v1/calls/c1/transfer", json=body)
        assert (again.status_code, again.json()["error"]["code"]) == (409, "transfer_under_way")
        taken = await agent.post("/api/v1/calls/c1/transfer/complete")
        assert (taken.status_code, taken.content) == (204, b"")
    assert pair.there.calls.asked == [("c1", "partner:110", "blind", "1001"), ("c1", "complete")]
    assert pair.here.calls.asked == []


async def test_a_call_of_which_there_is_no_record_yet_is_found_too(pair: Pair) -> None:
    await talks_there(pair)
    pair.holders.unrecorded = "c1"
    async with await pair.here.signed_in("1001") as agent:
        assert (await agent.post("/api/v1/calls/c1/hang-up")).status_code == 204
        pair.holders.unrecorded = "c9"
        assert (await agent.post("/api/v1/calls/c9/hang-up")).status_code == 404


async def test_no_other_node_is_asked_for_a_stranger(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    others = pair.here.others
    assert others is not None

    async def ask_all(question: Any) -> list[Any]:
        asked.append(question)
        return []

    monkeypatch.setattr(others.asking, "ask_all", ask_all)
    pair.holders.unrecorded = "c9"
    async with pair.here.visitor() as stranger:
        stranger.headers["Authorization"] = "Bearer guessed"
        assert (await stranger.post("/api/v1/calls/c9/hang-up")).status_code == 401
    assert asked == []
    async with await pair.here.signed_in("1001") as agent:
        assert (await agent.post("/api/v1/calls/c9/hang-up")).status_code == 404
    assert asked == [{"holds": "c9"}]


async def test_rights_are_looked_at_there(pair: Pair) -> None:
    await talks_there(pair)
    async with await pair.here.signed_in("1002") as other, pair.here.visitor() as stranger:
        refused = await other.post("/api/v1/calls/c1/transfer", json={"target": "partner:110"})
        assert refused.status_code == 404
        assert (await stranger.post("/api/v1/calls/c1/hang-up")).status_code == 401


async def test_the_ticket_of_a_call_is_written_where_the_call_is(pair: Pair) -> None:
    ticket_id = await talks_there(pair)
    async with await pair.here.signed_in("1001") as agent:
        changes = {"fields": {"name": "陆远"}}
        changed = await agent.patch(f"/api/v1/tickets/{ticket_id}", json=changes)
        assert changed.json()["fields"]["name"]["value"] == "陆远"
        shown = (await agent.get(f"/api/v1/tickets/{ticket_id}")).json()
        assert shown["fields"]["name"]["value"] == "陆远"


async def test_live_calls_of_all_nodes_are_shown_as_the_asker_may_see_them(pair: Pair) -> None:
    await talks_there(pair)
    await pair.here.floor.sign_in("1002")
    await pair.here.floor.set_ready("1002")
    pair.here.calls.offer("c2", "1002")
    shown = {}
    for who in ("1001", "1002", "2001"):
        async with await pair.here.signed_in(who) as asker:
            calls = (await asker.get("/api/v1/calls/live")).json()
            shown[who] = sorted((call["call_id"], call["caller"]) for call in calls)
    masked, whole = "152****2668", "15250322668"
    assert shown["1001"] == [("c1", whole)]
    assert shown["1002"] == [("c2", masked)]
    assert shown["2001"] == [("c1", masked), ("c2", masked)]


async def test_a_page_is_given_the_ticket_that_no_node_has_stored_yet(pair: Pair) -> None:
    ticket_id = await talks_there(pair)
    served = pair.here.app.state.services
    account = await served.accounts.get("1001")
    who = Viewer(account, await pair.here.token("1001"))
    shown = await snapshot(served, who)
    assert (shown["call"]["call_id"], shown["ticket"]["id"]) == ("c1", ticket_id)


async def test_a_silent_node_is_named_and_what_is_stored_is_served_here(pair: Pair) -> None:
    ticket_id = await talks_there(pair)
    pair.holders.calls["c1"] = pair.holders.tickets[ticket_id] = "gone"
    await pair.here.floor.sign_in("1001")
    await pair.here.floor.set_ready("1001")
    pair.here.calls.offer("c1", "1001")
    pair.here.calls.answer("c1")  # so far as the database knows it
    async with await pair.here.signed_in("1001") as agent:
        refused = await agent.post("/api/v1/calls/c1/hang-up")
        error = refused.json()["error"]
        assert (refused.status_code, error["code"]) == (503, "node_silent")
        assert error["message"] == "node gone does not answer; it holds the call"
        changes = {"fields": {"name": "陆远"}}
        changed = await agent.patch(f"/api/v1/tickets/{ticket_id}", json=changes)
        assert changed.json()["fields"]["name"]["value"] == "陆远"
        assert (await agent.get("/api/v1/calls/c1/transcript")).status_code == 200


async def test_a_body_beyond_measure_is_carried_nowhere(pair: Pair) -> None:
    await talks_there(pair)
    async with await pair.here.signed_in("1001") as agent:
        refused = await agent.post("/api/v1/calls/c1/transfer", content=b" " * (ORDINARY + 1))
    assert (refused.status_code, refused.json()["error"]["code"]) == (413, "too_long")


async def test_an_agents_page_is_closed_when_he_works_elsewhere(pair: Pair) -> None:
    others = pair.here.others
    assert others is not None
    hub = pair.there.app.state.services.feed
    with (
        hub.join("1001", role="agent", token="old") as old,
        hub.join("1001", role="agent", token="old") as second,
        hub.join("1002", role="agent", token="his") as other,
        hub.join("2001", role="supervisor", token="boss") as leader,
    ):
        for agent_id in ("1001", "2001"):
            await others.at_desk(agent_id, session_digest("new"))
        await until(lambda: second.why is not None)
        assert [c.why for c in (old, second, other, leader)] == [
            "taken_over",
            "taken_over",
            None,
            None,
        ]
    with hub.join("1001", role="agent", token="new") as same:
        await others.at_desk("1001", session_digest("new"))
        await others.live_calls("any")  # answered after what was told before
        assert same.why is None
