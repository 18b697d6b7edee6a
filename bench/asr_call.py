"""What a telephone call costs recognition: character errors over a call and straight from the file.

``python -m bench.asr_call MODEL WAV… --transcripts TSV [--loss 0 1 3] [--jitter 30] [--json]``

Each file is played as a citizen's call (SIP, A-law, RTP) to a whole node, over a line that loses
and delays packets, and is given to the bare engine as it is. Errors are counted over all files.
"""

import argparse
import asyncio
import csv
import json
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from asr.ports import Final
from asr.vosk_engine import VoskRecognizer
from bench.speech_source import RATE, read_wav
from hotline.softphone import SoftPhone
from tests.support.bad_line import BadLine
from tests.support.baresip import Baresip
from tests.support.cer import character_error_rate
from tests.support.node import PASSWORD, Api, running_node, until
from tests.support.waveforms import write_speech

GREETING = Path(__file__).parents[1] / "tests" / "assets" / "speech" / "agent_greeting.wav"


@dataclass(frozen=True)
class Row:
    """Errors of all characters, in per cent."""

    line: str
    cer: float
    points_worse: float | None = None


async def straight(model: Path, wavs: Sequence[Path]) -> list[str]:
    """Return what the engine makes of each file."""
    recognizer = await asyncio.to_thread(VoskRecognizer.load, model)
    texts = []
    for wav in wavs:
        stream = await recognizer.open()
        await stream.push(read_wav(wav).tobytes())
        await stream.flush()
        await stream.aclose()
        finals = [event async for event in stream.events() if isinstance(event, Final)]
        texts.append("".join(final.text for final in finals))
    await recognizer.aclose()
    return texts


async def over_calls(model: Path, wavs: Sequence[Path], loss: float, jitter: float) -> list[str]:
    """Return what a node makes of each file, called in."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="call-")))
        settings = {"asr__model_path": model, "log__level": "warning"}
        node = await stack.enter_async_context(running_node(folder / "node", settings))
        address = ("127.0.0.1", node.sip_port)
        agent = Baresip(
            folder / "agent",
            user="1001",
            password=PASSWORD,
            registrar=address,
            source=write_speech(folder / "greeting.wav", GREETING),
            auto_answer=True,
        )
        await stack.enter_async_context(agent)
        await agent.register()
        api = await stack.enter_async_context(node.signed_in("1001"))
        phone = SoftPhone(server=address)
        await phone.open()
        stack.push_async_callback(phone.close)
        return [
            await _one_call(api, phone, wav, loss=loss, jitter=jitter, seed=number)
            for number, wav in enumerate(wavs)
        ]


async def _one_call(
    api: Api, phone: SoftPhone, wav: Path, *, loss: float, jitter: float, seed: int
) -> str:
    async def ready() -> bool:
        await api.send("PUT", "/me/presence", {"state": "ready"})
        presence = (await api.get("/me"))["presence"]
        return bool(presence["phones"]) and presence["state"] == "ready"

    await until(ready, seconds=30, every=0.2)
    call = await phone.call("12345", caller="13862311001")
    try:
        await call.answered
        # Whoever makes the transport calls this; so does whoever puts a bad line before it.
        line = BadLine(call.voice.transport, loss=loss, jitter=jitter, seed=seed)
        call.voice.connection_made(line)
        call.voice.say(read_wav(wav))
        await call.voice.until_said()
        await asyncio.sleep(1.0)  # he listens whether there is an answer
    finally:
        call.hang_up()
        await call.finished()

    async def record() -> str | None:
        calls = (await api.get("/calls"))["items"]
        done = calls and calls[0]["ended_at"] is not None
        return calls[0]["call_id"] if done else None

    call_id = await until(record, seconds=30, every=0.2)
    ticket = (await api.get(f"/calls/{call_id}"))["ticket_id"]
    said = await api.get(f"/calls/{call_id}/transcript")
    await api.send("POST", f"/tickets/{ticket}/submit")
    return "".join(part["spoken"] for part in said if part["leg"] == "caller")


def errors(texts: Sequence[str], heard: Sequence[str]) -> float:
    """Return the character error rate over all files, per cent."""
    wrong = sum(character_error_rate(t, h) * len(t) for t, h in zip(texts, heard, strict=True))
    return round(100 * wrong / sum(map(len, texts)), 2)


async def run(options: argparse.Namespace) -> list[Row]:
    """Measure every line."""
    with options.transcripts.open(encoding="utf-8", newline="") as file:
        said = {row["file"]: row["transcript"] for row in csv.DictReader(file, delimiter="\t")}
    texts = [said[wav.name] for wav in options.wav]
    plain = errors(texts, await straight(options.model, options.wav))
    rows = [Row("straight from the file", plain)]
    for loss in options.loss:
        heard = await over_calls(options.model, options.wav, loss / 100, options.jitter / 1000)
        found = errors(texts, heard)
        what = f"call, {loss:g} % lost, jitter {options.jitter:g} ms"
        rows.append(Row(what, found, round(found - plain, 2)))
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model", type=Path)
    parser.add_argument("wav", type=Path, nargs="+")
    parser.add_argument("--transcripts", type=Path, required=True)
    parser.add_argument("--loss", type=float, nargs="+", default=[0, 1, 3], help="per cent")
    parser.add_argument("--jitter", type=float, default=30, help="milliseconds")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    options = parser.parse_args()
    options.model = options.model.absolute()  # the node runs elsewhere
    rows = asyncio.run(run(options))
    if options.json:
        print(json.dumps({"bench": "asr_call", "rows": [asdict(row) for row in rows]}))
        return
    seconds = sum(len(read_wav(wav)) for wav in options.wav) / RATE
    print(f"{len(options.wav)} files, {seconds:.0f} s of speech")
    for row in rows:
        worse = "" if row.points_worse is None else f"{row.points_worse:+.2f} points"
        print(f"{row.line:<40}{row.cer:>7.2f} %  {worse}")


if __name__ == "__main__":
    main()
