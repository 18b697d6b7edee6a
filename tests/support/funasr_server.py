"""A server that speaks FunASR's two-pass protocol; what it understands comes from the Vosk engine.

    python -m tests.support.funasr_server MODEL [PORT]

It prints its address. As FunASR's own: the first message is JSON, sound is 16 kHz, the on-line pass
tells every 600 ms what is new since it last told, the off-line pass says the whole sentence with
its times, ``{"is_speaking": false}`` ends the sentence, and nothing is said where nothing was
heard.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from asr.ports import Final, Partial, Result
from asr.vosk_decoder import VoskDecoder, VoskModel


class FunAsrServer:
    """The server's handler; ``starts`` are the opening messages it was sent.

    Args:
        stamps: off-line results carry their times, as from FunASR's timestamp models.
    """

    def __init__(self, model: Path, *, stamps: bool = True) -> None:
        self._model = VoskModel.load(model)
        self._stamps = stamps
        self.starts: list[dict[str, Any]] = []

    async def handle(self, websocket: ServerConnection) -> None:
        talk = _Talk(self._model.new_decoder(), stamps=self._stamps)
        try:
            async for message in websocket:
                if isinstance(message, str):
                    start = json.loads(message)
                    if "mode" in start:
                        self.starts.append(start)
                    answers = [] if start["is_speaking"] else talk.finish()
                else:
                    answers = await asyncio.to_thread(talk.hear, message)
                for answer in answers:
                    await websocket.send(json.dumps(answer, ensure_ascii=False))
        except ConnectionClosed:
            pass


class _Talk:
    """One connection."""

    def __init__(self, decoder: VoskDecoder, *, stamps: bool) -> None:
        self._decoder = decoder
        self._stamps = stamps
        self._pieces = 0
        self._current = ""
        self._told = ""

    def hear(self, sound: bytes) -> list[dict[str, Any]]:
        samples = np.frombuffer(sound, "<i2")[::2].tobytes()
        answers = self._answers(self._decoder.push(samples, partials=True))
        self._pieces += 1
        if self._pieces % 10 == 0 and self._current.startswith(self._told):
            new = self._current.removeprefix(self._told)
            self._told = self._current
            if new:
                answers.append({"mode": "2pass-online", "text": new, **_common(speaking=True)})
        return answers

    def finish(self) -> list[dict[str, Any]]:
        return self._answers(self._decoder.flush(), speaking=False)

    def _answers(self, result: Result | None, *, speaking: bool = True) -> list[dict[str, Any]]:
        if isinstance(result, Partial):
            self._current = result.text
        if not isinstance(result, Final):
            return []
        self._current = self._told = ""
        answer = {"mode": "2pass-offline", "text": result.text, **_common(speaking=speaking)}
        if self._stamps:
            spans = [[round(1000 * w.start), round(1000 * w.end)] for w in result.words]
            answer["timestamp"] = json.dumps(spans)
        return [answer]


def _common(*, speaking: bool) -> dict[str, Any]:
    # The Python server's is_final is its "is_speaking": true until the end.
    return {"wav_name": "call", "is_final": speaking}


@asynccontextmanager
async def funasr_server(
    model: Path, port: int = 0, *, stamps: bool = True
) -> AsyncIterator[tuple[FunAsrServer, str]]:
    """Run one; yields it and its address."""
    server = FunAsrServer(model, stamps=stamps)
    listening = serve(server.handle, "127.0.0.1", port, subprotocols=["binary"])  # type: ignore[list-item]
    async with listening as running:
        yield server, f"ws://127.0.0.1:{next(iter(running.sockets)).getsockname()[1]}"


async def _main() -> None:
    async with funasr_server(Path(sys.argv[1]), *map(int, sys.argv[2:3])) as (_, url):
        sys.stdout.write(url + "\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main())
