"""The yardstick of bench/asr.py: the engine alone, looping over audio in pieces of 100 ms.

``python -m bench.asr_bare MODEL RAW LENGTHS SECONDS IN_TURN``: 8 kHz s16le in RAW, cut into
utterances of LENGTHS bytes. With IN_TURN 1 there is one decoder, which hears one utterance after
the other, a partial result asked for after each piece and a final after each utterance. With more
there are so many decoders, and each is given one piece when its turn comes, as live streams are:
what the engine itself pays for having many of them. Loading the model, making decoders and a first
pass over the audio do not count; then it loops for SECONDS.

Prints JSON: audio seconds by CPU second and by second of the clock, and the p95 of the time for a
final result.
"""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import vosk

from asr.model import engine_rate
from asr.resample import Doubler

CHUNK = 1600


def hear(
    decoders: Sequence[vosk.KaldiRecognizer], sounds: Sequence[bytes], step: int
) -> list[float]:
    """Let each decoder hear its utterance, in turn; return the seconds that finals took."""
    for offset in range(0, max(map(len, sounds)), step):
        for decoder, sound in zip(decoders, sounds, strict=True):
            if not (piece := sound[offset : offset + step]):
                continue
            if decoder.AcceptWaveform(piece):
                decoder.Result()
            else:
                decoder.PartialResult()
    finals = []
    for decoder in decoders:
        asked = time.perf_counter()
        decoder.FinalResult()
        finals.append(time.perf_counter() - asked)
    return finals


def cut(audio: bytes, lengths: Sequence[int]) -> list[bytes]:
    """Return the utterances."""
    ends = np.cumsum(lengths)
    return [audio[end - length : end] for end, length in zip(ends, lengths, strict=True)]


def main() -> None:
    """Measure and print."""
    vosk.SetLogLevel(-1)
    path, raw = Path(sys.argv[1]), Path(sys.argv[2])
    rate = engine_rate(path)
    said = cut(raw.read_bytes(), [int(n) for n in sys.argv[3].split(",")])
    seconds, in_turn = float(sys.argv[4]), int(sys.argv[5])
    model = vosk.Model(str(path))
    decoders = [vosk.KaldiRecognizer(model, rate) for _ in range(in_turn)]
    for decoder in decoders:
        decoder.SetWords(True)  # noqa: FBT003 - Vosk's interface
    # As many utterances at once as there are decoders, the same ones again and again.
    groups = [
        [said[(first + n) % len(said)] for n in range(in_turn)]
        for first in range(0, len(said), in_turn)
    ]

    def loop(group: Sequence[bytes]) -> list[float]:
        # The doubling is the engine's here: what it is compared with must do it too.
        sounds = [Doubler().push(pcm) if rate != 8000 else pcm for pcm in group]
        return hear(decoders, sounds, CHUNK * rate // 8000)

    for group in groups:
        loop(group)
    finals, heard = [], 0
    begin, began = time.process_time(), time.perf_counter()
    while not heard or time.perf_counter() - began < seconds:
        for group in groups:
            finals += loop(group)
            heard += sum(map(len, group))
    used, took = time.process_time() - begin, time.perf_counter() - began
    figures = {
        "speed": heard / 16000 / used,
        "wall_speed": heard / 16000 / took,
        "final_p95": float(np.percentile(finals, 95)),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
