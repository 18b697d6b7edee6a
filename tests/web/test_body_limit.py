"""Too long a body is refused before it is read, whoever asks and however it is sent."""

import json
from collections.abc import AsyncIterator

import pytest

from calls.document_forms import MOST_TEXT
from tests.web.house import House
from web.body_limit import LONG, ORDINARY

PIECE = 64 * 1024


class Sender:
    """Sends a body in pieces, without saying how long it is, and counts what was taken."""

    def __init__(self, octets: int) -> None:
        self.octets = octets
        self.taken = 0

    async def pieces(self) -> AsyncIterator[bytes]:
        while self.taken < self.octets:
            self.taken += PIECE
            yield b" " * PIECE


@pytest.mark.parametrize(
    "method, path, refusal",
    [
        ("POST", "/api/v1/session", (413, "too_long")),
        ("PUT", "/api/v1/prompts/music", (401, "not_signed_in")),
        ("PUT", "/api/v1/documents/partners", (401, "not_signed_in")),
        ("PUT", "/api/v1/knowledge/rent", (401, "not_signed_in")),
        ("PUT", "/api/v1/routing", (401, "not_signed_in")),
        ("POST", "/api/v1/calls/c1/transfer", (413, "too_long")),
    ],
)
async def test_a_stranger_does_not_fill_the_memory(
    house: House, method: str, path: str, refusal: tuple[int, str]
) -> None:
    endless = Sender(100 * ORDINARY)
    async with house.visitor() as stranger:
        refused = await stranger.request(method, path, content=endless.pieces())
    assert (refused.status_code, refused.json()["error"]["code"]) == refusal
    assert endless.taken <= ORDINARY + PIECE


async def test_what_is_announced_as_too_long_is_not_read_at_all(house: House) -> None:
    sender = Sender(10 * PIECE)
    headers = {"Content-Length": str(ORDINARY + 1)}
    async with house.visitor() as stranger:
        refused = await stranger.post("/api/v1/session", content=sender.pieces(), headers=headers)
    error = refused.json()["error"]
    assert (refused.status_code, error["code"], error["chinese"]) == (413, "too_long", "内容太长")
    assert sender.taken == 0


async def test_a_recording_may_be_long_for_who_is_signed_in(house: House) -> None:
    octets = b"RIFF" + bytes(2 * ORDINARY)
    async with house.visitor() as stranger, await house.signed_in("9001") as admin:
        signed_out = await stranger.put("/api/v1/prompts/music", content=octets)
        assert (signed_out.status_code, signed_out.json()["error"]["chinese"]) == (401, "请先登录")
        assert signed_out.headers["www-authenticate"] == "Bearer"
        longer = {"Content-Length": str(LONG + 1)}
        never = await stranger.put("/api/v1/prompts/music", content=b"RIFF", headers=longer)
        assert never.status_code == 413
        read = await admin.put("/api/v1/prompts/music", content=octets)
        assert (read.status_code, read.json()["error"]["field"]) == (422, "recording")
        endless = Sender(2 * LONG)
        refused = await admin.put("/api/v1/prompts/music", content=endless.pieces())
    assert (refused.status_code, refused.json()["error"]["code"]) == (413, "too_long")
    assert endless.taken <= LONG + PIECE


async def test_the_longest_entry_and_document_are_read_however_they_are_written(
    house: House,
) -> None:
    entry = json.dumps({"markdown": "\U0001f6a7" * 60_000}).encode()
    text = json.dumps({"document": {"text": "路" * MOST_TEXT, "format": "toml"}}).encode()
    async with await house.signed_in("9001") as admin:
        kept = await admin.put("/api/v1/knowledge/rent", content=entry)
        read = await admin.put("/api/v1/documents/none", content=text)
    assert (len(entry) > ORDINARY, kept.status_code) == (True, 422)  # it has no front matter
    assert (len(text) <= LONG, read.status_code) == (True, 404)


async def test_a_body_up_to_the_limit_is_read(house: House) -> None:
    wrong = b'{"agent_id": "1001", "password": "' + b"x" * ORDINARY
    async with house.visitor() as stranger:
        read = await stranger.post("/api/v1/session", content=wrong[:ORDINARY])
        assert read.status_code == 422
        assert (await stranger.post("/api/v1/session", content=wrong)).status_code == 413
