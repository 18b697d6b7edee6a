"""A recording that is encrypted where it lies is heard like any other."""

import wave
from io import BytesIO

from telephony.media.sealed import SealedFile, SealKeys
from tests.web.house import House


async def test_it_is_decrypted_on_its_way(house: House) -> None:
    await house.finished_call("c1", "1001")
    (house.folder / "c1.wav").unlink()
    file = SealedFile(house.folder / "c1.sealed", SealKeys([bytes(32)]).new_seal())
    file.append(bytes(4000))
    file.close()
    async with await house.signed_in("1001") as client:
        heard = await client.get("/api/v1/calls/c1/recording")
    assert (heard.status_code, heard.headers["content-type"]) == (200, "audio/wav")
    with wave.open(BytesIO(heard.content)) as wav:
        assert (wav.getnchannels(), wav.getnframes()) == (2, 1000)


async def test_one_side_is_mono(house: House) -> None:
    await house.finished_call("c1", "1001")
    (house.folder / "c1.wav").unlink()
    file = SealedFile(house.folder / "c1.sealed", SealKeys([bytes(32)]).new_seal())
    file.append(b"\1\0\2\0" * 100)
    file.close()
    async with await house.signed_in("1001") as client:
        heard = await client.get("/api/v1/calls/c1/recording", params={"side": "agent"})
        odd = await client.get("/api/v1/calls/c1/recording", params={"side": "nobody"})
    assert (heard.status_code, heard.content[44:]) == (200, b"\2\0" * 100)
    assert odd.status_code == 422


async def test_without_its_key_it_is_a_conflict(house: House) -> None:
    await house.finished_call("c1", "1001")
    (house.folder / "c1.wav").unlink()
    SealedFile(house.folder / "c1.sealed", SealKeys([b"k" * 32]).new_seal()).close()
    async with await house.signed_in("1001") as client:
        refused = await client.get("/api/v1/calls/c1/recording")
    assert refused.status_code == 409
    assert refused.json()["error"]["code"] == "sealed"


async def test_a_player_may_ask_for_a_part_of_it(house: House) -> None:
    await house.finished_call("c1", "1001")
    (house.folder / "c1.wav").unlink()
    file = SealedFile(house.folder / "c1.sealed", SealKeys([bytes(32)]).new_seal())
    file.append(bytes(range(200)))
    file.close()
    async with await house.signed_in("1001") as client:
        path = "/api/v1/calls/c1/recording"
        part = await client.get(path, headers={"Range": "bytes=44-47"})
        tail = await client.get(path, headers={"Range": "bytes=-3"})
        beyond = await client.get(path, headers={"Range": "bytes=244-"})
        odd = await client.get(path, headers={"Range": "bytes=1-2,5-6"})
    assert (part.status_code, part.content) == (206, bytes(range(4)))
    assert part.headers["content-range"] == "bytes 44-47/244"
    assert (tail.status_code, tail.content) == (206, bytes((197, 198, 199)))
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, "bytes */244")
    assert (odd.status_code, len(odd.content), odd.headers["accept-ranges"]) == (200, 244, "bytes")


async def test_its_outline_is_shown_too(house: House) -> None:
    await house.finished_call("c1", "1001")
    (house.folder / "c1.wav").unlink()
    file = SealedFile(house.folder / "c1.sealed", SealKeys([bytes(32)]).new_seal())
    file.append(b"\x00\x40\x00\x00" * 800)
    file.close()
    async with await house.signed_in("3001") as inspector:
        answer = await inspector.get("/api/v1/calls/c1/waveform", params={"columns": 10})
    assert answer.json() == {"seconds": 0.1, "channels": [[0.5] * 10, [0.0] * 10]}
