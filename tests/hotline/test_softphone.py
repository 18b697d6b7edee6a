"""Two simulated telephones that call each other."""

import asyncio

import numpy as np

from hotline.softphone import PhoneCall, SoftPhone
from telephony.leg import Leg, LegReanswered
from telephony.sip.offer_answer import parse_audio
from tests.support.waiting import until


async def test_a_call_is_held_and_resumed() -> None:
    rung: asyncio.Queue[Leg] = asyncio.Queue()
    called = SoftPhone(server=("127.0.0.1", 1), on_call=rung.put_nowait)
    await called.open()
    caller = SoftPhone(server=called.address)
    await caller.open()
    try:
        theirs = await caller.call("12345", caller="13862311001")
        ours = await called.pick_up(await asyncio.wait_for(rung.get(), 20))
        await asyncio.wait_for(theirs.answered, 20)
        await until(lambda: ours.voice.packets_heard > 0)

        held = theirs.offer().replace("a=sendrecv", "a=sendonly")
        assert await reoffered(theirs, held) == "recvonly"
        heard = theirs.voice.packets_heard
        ours.voice.say(np.zeros(1600, np.int16))
        await ours.voice.until_said()  # it keeps time, and sends nothing to who holds
        assert theirs.voice.packets_heard - heard <= 1  # one may have been under way

        assert await reoffered(theirs, theirs.offer()) == "sendrecv"
        heard = theirs.voice.packets_heard
        await until(lambda: theirs.voice.packets_heard > heard)
        ours.hang_up()
        await theirs.finished()
        await ours.finished()
    finally:
        await caller.close()
        await called.close()


async def reoffered(call: PhoneCall, sdp: str) -> str:
    """Offer another session; return the direction that the other side answers."""
    assert call.leg is not None
    answered: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def on_event(event: object) -> None:
        if isinstance(event, LegReanswered):
            answered.set_result(parse_audio(event.sdp).direction)

    usual, call.leg.on_event = call.leg.on_event, on_event
    call.leg.reoffer(sdp)
    direction = await asyncio.wait_for(answered, 20)
    call.leg.on_event = usual
    return direction
