"""From the end of speech to the ticket's field on an agent's WebSocket; part of bench/asr.py."""

import asyncio
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from websockets.asyncio.client import connect

from bench.speech_source import read_wav
from tests.support.baresip import Baresip
from tests.support.node import PASSWORD, RunningNode, running_node, until
from tests.support.sipp import SippRun
from tests.support.waveforms import write_speech

GREETING = Path(__file__).parents[1] / "tests" / "assets" / "speech" / "agent_greeting.wav"
FIGURES = tuple[str, float, str, float | None, float | None, str]


async def measure_ticket(model: Path, wavs: Sequence[Path]) -> list[FIGURES]:
    """Place a call for each file; return rows of the table."""
    delays: list[float] = []
    with tempfile.TemporaryDirectory(prefix="tk-") as name:
        folder = Path(name)
        settings = {
            "asr__model_path": model,
            "agents__wrap_up_seconds": 1,
            "log__level": "warning",
        }
        async with (
            running_node(folder / "node", settings) as node,
            Baresip(
                folder / "agent",
                user="1001",
                password=PASSWORD,
                registrar=("127.0.0.1", node.sip_port),
                source=write_speech(folder / "greeting.wav", GREETING),
                auto_answer=True,
            ) as phone,
            node.signed_in("1001") as api,
        ):
            await phone.register()

            async def ready() -> bool:
                presence = (await api.get("/me"))["presence"]
                if presence["state"] != "ready":
                    await api.send("PUT", "/me/presence", {"state": "ready"})
                return bool(presence["phones"]) and presence["state"] == "ready"

            feed = node.web.replace("http", "ws") + "/api/v1/feed"
            for number, wav in enumerate(wavs):
                await until(ready, seconds=30)
                subprotocols = {"additional_headers": {"Authorization": f"Bearer {api.token}"}}
                async with connect(feed, proxy=None, **subprotocols) as socket:  # type: ignore[arg-type]
                    listener = asyncio.create_task(_listen(socket, delays))
                    await _call(node, folder / str(number), wav)
                    listener.cancel()
                    await asyncio.gather(listener, return_exceptions=True)
    if not delays:
        raise SystemExit("no field came over the WebSocket")
    p50, p95 = (round(float(np.percentile(delays, p)), 3) for p in (50, 95))
    note = f"{len(delays)} fields in {len(wavs)} calls; goal: 0.6 s and the engine's own time"
    return [
        ("speech end → ticket field, p50", p50, "s", None, None, ""),
        ("speech end → ticket field, p95", p95, "s", None, None, note),
    ]


async def _call(node: RunningNode, folder: Path, wav: Path) -> None:
    seconds = len(read_wav(wav)) / 8000
    async with SippRun(
        "citizen",
        directory=folder,
        remote=("127.0.0.1", node.sip_port),
        service="12345",
        calls=1,
        rows=[("13862311001", round(1000 * (seconds + 2)))],
        speech=wav,
    ) as citizen:
        await citizen.wait(seconds + 30)


async def _listen(socket: object, delays: list[float]) -> None:
    """Note how long after its words each field came."""
    answered: dict[str, float] = {}
    ended: dict[str, float] = {}
    async for message in socket:  # type: ignore[attr-defined]
        event = json.loads(message)
        now = time.time()
        if event.get("event") == "call.answered":
            answered[event["call_id"]] = event["at"]
        elif event.get("event") == "transcript.final" and event["leg"] == "caller":
            ended[event["call_id"]] = event["end"]
        elif event.get("event") == "ticket.field" and event["source"] == "heard":
            start, end = answered.get(event["call_id"]), ended.get(event["call_id"])
            if start is not None and end is not None:
                delays.append(now - start - end)
