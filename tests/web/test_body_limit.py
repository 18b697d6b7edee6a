"""Too long a body is refused before it is read, whoever asks and however it is sent."""

from collections.abc import AsyncIterator

import pytest

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
    "method, path",
    [
        ("POST", "/api/v1/session"),
        ("PUT", "/api/v1/prompts/music"),
        ("PUT", "/api/v1/documents/partners"),
        ("POST", "/api/v1/calls/c1/transfer"),
    ],
)
async def test_a_stranger_does_not_fill_the_memory(house: House, method: str, path: str) -> None:
    endless = Sender(100 * ORDINARY)
    async with house.visitor() as stranger:
        refused = await stranger.request(method, path, content=endless.pieces())
    assert (refused.status_code, refused.json()["error"]["code"]) == (413, "too_long")
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
        assert (await stranger.put("/api/v1/prompts/music", content=octets)).status_code == 413
        read = await admin.put("/api/v1/prompts/music", content=octets)
        assert (read.status_code, read.json()["error"]["field"]) == (422, "recording")
        endless = Sender(2 * LONG)
        refused = await admin.put("/api/v1/prompts/music", content=endless.pieces())
    assert (refused.status_code, refused.json()["error"]["code"]) == (413, "too_long")
    assert endless.taken <= LONG + PIECE


async def test_a_body_up_to_the_limit_is_read(house: House) -> None:
    wrong = b'{"agent_id": "1001", "password": "' + b"x" * ORDINARY
    async with house.visitor() as stranger:
        read = await stranger.post("/api/v1/session", content=wrong[:ORDINARY])
        assert read.status_code == 422
        assert (await stranger.post("/api/v1/session", content=wrong)).status_code == 413
