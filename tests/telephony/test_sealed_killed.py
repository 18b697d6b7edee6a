"""A media process that is killed leaves an encrypted recording that can be opened."""

from pathlib import Path

import numpy as np
import pytest

from telephony.media.recording import FRAME_BYTES
from telephony.media.sealed import SealKeys, data_bytes, samples
from telephony.media_client import MediaClient
from tests.support.media_process import end, engines, start_media
from tests.support.rtp_phone import RtpPhone
from tests.support.tones import sine, tone_level
from tests.support.waiting import until

KEYS = SealKeys([bytes(32)])
ENOUGH = 4000 * FRAME_BYTES  # half a second


def written(path: Path) -> int:
    try:
        with path.open("rb") as file:
            return data_bytes(file)
    except FileNotFoundError:
        return 0


@pytest.mark.parametrize("engine", engines())
async def test_what_it_had_written_is_there(tmp_path: Path, engine: str) -> None:
    path = tmp_path / "call.sealed"
    running = await start_media(tmp_path / "media.sock", engine=engine)
    client = MediaClient(socket_path=tmp_path / "media.sock", on_lost=lambda _: None)
    await client.start()
    try:
        await until(lambda: client.connected, 10)
        address = await client.open("citizen")
        await client.open("agent")
        async with RtpPhone("PCMA") as phone:
            host, port = phone.address
            await client.set_remote(
                "citizen", host=host, port=port, payload_type=8, codec="PCMA", telephone_event=None
            )
            seal = KEYS.new_seal()
            await client.record("call", path, left="citizen", right="agent", seal=seal)
            await phone.play(sine(400, 1.0), address)
        await until(lambda: written(path) >= ENOUGH, 10)
        running.kill()
        await running.wait()
        with path.open("rb") as file:
            pcm = np.frombuffer(b"".join(samples(file, KEYS)), np.int16).reshape(-1, 2)
        assert len(pcm) * FRAME_BYTES >= ENOUGH
        assert tone_level(pcm[:, 0], 400) > -30
        assert not pcm[:, 1].any()
    finally:
        await client.close()
        await end(running)
