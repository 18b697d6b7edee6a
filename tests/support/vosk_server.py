"""A vosk-server: the protocol of alphacep/vosk-server's websocket/asr_server.py, the real engine.

    python -m tests.support.vosk_server MODEL [PORT]

It prints its port. As there: the configuration is any text with "config" in it, ``{"eof" : 1}`` is
compared to the letter, every other message is sound and is answered with exactly one result, and
the final result ends the connection.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import vosk
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed


class VoskServer:
    """The server's handler; ``configs`` are the configurations it was given."""

    def __init__(self, model: str) -> None:
        vosk.SetLogLevel(-1)
        self._model = vosk.Model(model)
        self._pool = ThreadPoolExecutor(2)
        self.configs: list[dict[str, Any]] = []

    async def handle(self, websocket: ServerConnection) -> None:
        loop = asyncio.get_running_loop()
        decoder: vosk.KaldiRecognizer | None = None
        config: dict[str, Any] = {"sample_rate": 8000.0, "words": True}
        try:
            while True:
                message = await websocket.recv()
                if isinstance(message, str) and "config" in message:
                    config |= json.loads(message)["config"]
                    self.configs.append(config)
                    continue
                if decoder is None:
                    decoder = await loop.run_in_executor(self._pool, self._decoder, config)
                response, stop = await loop.run_in_executor(
                    self._pool, _process_chunk, decoder, message
                )
                await websocket.send(response)
                if stop:
                    break
        except ConnectionClosed:
            pass

    def _decoder(self, config: dict[str, Any]) -> vosk.KaldiRecognizer:
        rate = float(config["sample_rate"])
        if phrases := config.get("phrase_list"):
            grammar = json.dumps(phrases, ensure_ascii=False)
            decoder = vosk.KaldiRecognizer(self._model, rate, grammar)
        else:
            decoder = vosk.KaldiRecognizer(self._model, rate)
        decoder.SetWords(bool(config["words"]))
        decoder.SetMaxAlternatives(int(config.get("max_alternatives", 0)))
        return decoder


def _process_chunk(decoder: vosk.KaldiRecognizer, message: str | bytes) -> tuple[str, bool]:
    if message == '{"eof" : 1}':
        return decoder.FinalResult(), True
    if decoder.AcceptWaveform(message.encode() if isinstance(message, str) else message):
        return decoder.Result(), False
    return decoder.PartialResult(), False


@asynccontextmanager
async def vosk_server(model: str, port: int = 0) -> AsyncIterator[tuple[VoskServer, str]]:
    """Run one; yields it and its address."""
    server = VoskServer(model)
    async with serve(server.handle, "127.0.0.1", port) as listening:
        yield server, f"ws://127.0.0.1:{next(iter(listening.sockets)).getsockname()[1]}"


async def _main() -> None:
    async with vosk_server(sys.argv[1], *map(int, sys.argv[2:3])) as (_, url):
        sys.stdout.write(url + "\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_main())
