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


async def test_without_its_key_it_is_a_conflict(house: House) -> None:
    await house.finished_call("c1", "1001")
    (house.folder / "c1.wav").unlink()
    SealedFile(house.folder / "c1.sealed", SealKeys([b"k" * 32]).new_seal()).close()
    async with await house.signed_in("1001") as client:
        refused = await client.get("/api/v1/calls/c1/recording")
    assert refused.status_code == 409
    assert refused.json()["error"]["code"] == "sealed"
