"""A call's sessions when the media process goes."""

import asyncio
from typing import cast

from calls.audio import CallAudio
from calls.hearing import CALLER
from telephony.media_commands import MediaCommands
from tests.calls.house import StandInMedia


async def test_sessions_that_are_lost_while_they_are_closed_are_closed() -> None:
    media = StandInMedia()
    audio = CallAudio("c1", media=cast("MediaCommands", media), host="127.0.0.1", recordings=None)
    await audio.open(CALLER, "agent.1.0")
    closing = asyncio.create_task(audio.close())
    asyncio.get_running_loop().call_soon(audio.lost)  # before each session's own task begins
    await closing
    assert audio.session(CALLER) is None
    assert media.asked == ["open", "open"]
