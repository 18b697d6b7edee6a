"""Twice the streams that fit, and calls meanwhile; part of bench/asr.py."""

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import numpy as np

from asr.ports import Final, Gap, Heard
from bench.asr_recogniser import Recogniser, Row, bare, recogniser
from bench.speech_source import RATE, over_the_line, play, silence, write_stereo
from hotline.softphone import SoftPhone
from tests.support.baresip import Baresip
from tests.support.cer import character_error_rate
from tests.support.node import PASSWORD, running_node, until
from tests.support.waveforms import write_speech

GREETING = Path(__file__).parents[1] / "tests" / "assets" / "speech" / "agent_greeting.wav"
TALK = 2.0
WARM = 8
"""Seconds of speech before the overload."""

ABOUT_FIT = 20
"""Decoders that the bare engine has in turn, to tell how many fit: near to what will come out."""


class Calls:
    """Calls placed one after the other: how long until each was answered, how much was heard."""

    def __init__(self, phone: SoftPhone) -> None:
        self._phone = phone
        self.answered: list[float] = []
        self.heard: list[float] = []

    async def place(self) -> None:
        """Call, listen for two seconds, hang up."""
        asked = time.monotonic()
        call = await self._phone.call("12345", caller="13862311001")
        try:
            async with asyncio.timeout(30):
                await call.answered
            self.answered.append(time.monotonic() - asked)
            packets, began = call.voice.packets_heard, time.monotonic()
            await asyncio.sleep(TALK)
            expected = (time.monotonic() - began) * 50
            self.heard.append((call.voice.packets_heard - packets) / expected)
        finally:
            call.hang_up()
            await call.finished()

    async def place_until(self, done: asyncio.Event) -> None:
        """Place calls until told otherwise."""
        while not done.is_set():
            await self.place()


@asynccontextmanager
async def answering_node(folder: Path) -> AsyncIterator[Calls]:
    """Run a node with an agent who answers every call at once."""
    settings = {"agents__wrap_up_seconds": 1, "log__level": "warning"}
    async with AsyncExitStack() as stack:
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

        async def ready() -> bool:
            await api.send("PUT", "/me/presence", {"state": "ready"})
            presence = (await api.get("/me"))["presence"]
            return bool(presence["phones"]) and presence["state"] == "ready"

        await until(ready, seconds=30, every=0.2)
        phone = SoftPhone(server=address)
        await phone.open()
        stack.push_async_callback(phone.close)
        yield Calls(phone)


async def overload(
    model: Path, speeches: Sequence[np.ndarray], texts: Sequence[str], seconds: float
) -> list[Row]:
    """Play twice the talks that fit; then hear what was missed from their recordings."""
    with tempfile.TemporaryDirectory(prefix="ov-") as name:
        folder = Path(name)
        alone = await bare(model, [over_the_line(s) for s in speeches], folder, in_turn=ABOUT_FIT)
        names, audio, said = _talks(speeches, texts, max(2, int(alone.speed)), seconds)
        async with answering_node(folder) as calls, recogniser(model) as running:
            await calls.place()  # the first finds everything cold
            quiet = Calls(calls._phone)  # noqa: SLF001 - the same phone, other figures
            for _ in range(4):
                await quiet.place()
            await _warm(running, audio[: len(audio) // 4])
            legs = await running.open(names, audio)
            began = time.monotonic()
            watch = asyncio.create_task(running.watch_lag())
            over = asyncio.Event()
            busy = Calls(calls._phone)  # noqa: SLF001 - as above
            placing = asyncio.create_task(busy.place_until(over))
            late = await play(legs)
            over.set()
            await placing
            watch.cancel()
            lags = await watch
            await running.close(legs)
            gaps = [(n, h) for _, n, h in running.heard if isinstance(h, Gap)]
            live = _errors(names, said, running.heard)
            first = {
                what: next((at - began for at, load in running.loads if getattr(load, what)), None)
                for what in ("partials", "streams")
            }
            took = await _catch_up(running, folder, dict(zip(names, audio, strict=True)), gaps)
            after = _errors(names, said, running.heard)
    length = {name: len(text) for name, text in zip(names, said, strict=True)}
    kept = [name for name in names if name not in {leg for leg, _ in gaps}]
    came = sum(len(samples) for samples in audio) / RATE
    missed = sum(gap.end - gap.start for _, gap in gaps)
    agents = sum(gap.end - gap.start for leg, gap in gaps if leg.endswith("agent"))
    note = f"{len(names)} streams where {alone.speed:.0f} fit; sender late by {late:.2f} s at most"
    worst = f"the worst of them {100 * max(live[n] for n in kept):.1f} %" if kept else ""
    return [
        Row("overload", "lag, most", round(max(lags), 2), "s", note=note),
        Row("overload", "partials given up after", round(first["partials"] or -1, 1), "s"),
        Row("overload", "streams given up after", round(first["streams"] or -1, 1), "s"),
        Row("overload", "streams kept throughout", len(kept), "",
            note=f"{sum(n.endswith('caller') for n in kept)} of them citizens'; "
            f"{(came - missed) * len(audio) / came:.0f} streams' voice was heard live"),
        Row("overload", "character errors live, streams kept", _rate(live, length, kept), "%",
            note=worst),
        Row("overload", "speech missed live", round(missed, 1), "s",
            note=f"{agents / missed:.0%} of it agents'" if missed else ""),
        Row("overload", "character errors live, all", _rate(live, length, names), "%"),
        Row("overload", "character errors afterwards", _rate(after, length, names), "%",
            note=f"{len(gaps)} gaps heard in {took:.0f} s"),
        *_call_rows(quiet, busy),
    ]  # fmt: skip


async def _warm(running: Recogniser, audio: Sequence[np.ndarray]) -> None:
    """Have half of what fits heard first: in service the load does not come upon cold decoders."""
    legs = await running.open(
        [f"warm{n}.caller" for n in range(len(audio))],
        [samples[: WARM * RATE] for samples in audio],
    )
    await play(legs)
    await running.close(legs)
    running.heard.clear()
    running.loads.clear()


def _call_rows(quiet: Calls, busy: Calls) -> list[Row]:
    answered = [round(statistics.median(calls.answered), 3) for calls in (busy, quiet)]
    heard = [round(100 * statistics.median(calls.heard), 1) for calls in (busy, quiet)]
    note = f"median of {len(busy.answered)} calls, beside {len(quiet.answered)} before the overload"
    return [
        Row("overload", "INVITE → answered meanwhile", answered[0], "s", answered[1], note=note),
        Row("overload", "voice packets that came meanwhile", heard[0], "%", heard[1], note=note),
    ]


def _talks(
    speeches: Sequence[np.ndarray], texts: Sequence[str], calls: int, seconds: float
) -> tuple[list[str], list[np.ndarray], list[str]]:
    """Return streams' names, sounds and words; nobody pauses to make room for the others."""
    names, audio, said = [], [], []
    for call in range(calls):
        for side, role in enumerate(("caller", "agent")):
            pick = (2 * call + side) % len(speeches)
            names.append(f"{call}.{role}")
            audio.append(_repeat(speeches, pick, seconds))
            said.append(_said(speeches, texts, pick, seconds))
    return names, audio, said


async def _catch_up(
    running: Recogniser,
    folder: Path,
    audio: dict[str, np.ndarray],
    gaps: Sequence[tuple[str, Gap]],
) -> float:
    """Have the gaps heard from recordings; return the seconds it took."""
    began = time.monotonic()
    for number, (leg, gap) in enumerate(gaps):
        path = folder / f"{number}.wav"
        samples = over_the_line(audio[leg])
        write_stereo(path, samples, samples)
        await _hear_later(running, path, f"{leg}~{number}", gap)
    return time.monotonic() - began


def _repeat(speeches: Sequence[np.ndarray], first: int, seconds: float) -> np.ndarray:
    pieces, length, turn = [], 0, first
    while not pieces or length + len(speeches[turn % len(speeches)]) < seconds * RATE:
        pieces += [speeches[turn % len(speeches)], silence(0.4, turn)]
        length += len(pieces[-2]) + len(pieces[-1])
        turn += 1
    return np.concatenate(pieces)


def _said(speeches: Sequence[np.ndarray], texts: Sequence[str], first: int, seconds: float) -> str:
    length, turn, said = 0.0, first, ""
    while not said or length + len(speeches[turn % len(speeches)]) < seconds * RATE:
        said += texts[turn % len(speeches)]
        length += len(speeches[turn % len(speeches)]) + round(0.4 * RATE)
        turn += 1
    return said


def _errors(
    names: Sequence[str], said: Sequence[str], heard: Sequence[tuple[float, str, Heard]]
) -> dict[str, float]:
    """Return each leg's character error rate; later finals are put where they belong."""
    rates = {}
    for name, text in zip(names, said, strict=True):
        finals = [h for _, n, h in heard if n.split("~")[0] == name and isinstance(h, Final)]
        finals.sort(key=lambda final: final.start)
        rates[name] = character_error_rate(text, "".join(final.text for final in finals))
    return rates


def _rate(rates: dict[str, float], length: dict[str, int], names: Sequence[str]) -> float:
    """Return the character error rate of these legs together, in per cent; -1: there are none."""
    total = sum(length[name] for name in names)
    return round(100 * sum(rates[n] * length[n] for n in names) / total, 1) if total else -1.0


async def _hear_later(running: Recogniser, path: Path, stream: str, gap: Gap) -> None:
    mark = len(running.heard)
    fault = await running.client.recognise_file(
        stream, path, channel=0, start=max(0.0, gap.start - 0.4), end=gap.end
    )
    if fault is not None:
        raise SystemExit(f"not heard afterwards: {fault}")
    # As calls/catch_up.py: what the lead brought along is there already.
    running.heard[mark:] = [
        entry for entry in running.heard[mark:]
        if isinstance(entry[2], Final) and (entry[2].start + entry[2].end) / 2 > gap.start
    ]  # fmt: skip
