"""The yardstick of bench/asr.py: the engine alone, looping over audio in pieces of 100 ms.

``python -m bench.asr_bare MODEL RAW LENGTHS``: 8 kHz s16le in RAW, cut into utterances of LENGTHS
bytes. Prints JSON: audio seconds by CPU second and by
second of the clock, and the p95 of the time for a final result.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
import vosk

from asr.model import engine_rate
from asr.resample import Doubler

CHUNK = 1600
ROUNDS = 3


def main() -> None:
    """Measure and print."""
    vosk.SetLogLevel(-1)
    path = Path(sys.argv[1])
    rate = engine_rate(path)
    audio, lengths = Path(sys.argv[2]).read_bytes(), [int(n) for n in sys.argv[3].split(",")]
    decoder = vosk.KaldiRecognizer(vosk.Model(str(path)), rate)
    decoder.SetWords(True)  # noqa: FBT003 - Vosk's interface
    finals, heard = [], 0
    begin, began = time.process_time(), time.perf_counter()
    for _ in range(ROUNDS):
        position = 0
        for length in lengths:
            # The doubling is the engine's here: what it is compared with must do it too.
            sound = audio[position : position + length]
            sound = Doubler().push(sound) if rate != 8000 else sound
            step = CHUNK * rate // 8000
            for offset in range(0, len(sound), step):
                if decoder.AcceptWaveform(sound[offset : offset + step]):
                    decoder.Result()
                else:
                    decoder.PartialResult()
            asked = time.perf_counter()
            decoder.FinalResult()
            finals.append(time.perf_counter() - asked)
            position += length
            heard += length
    used, took = time.process_time() - begin, time.perf_counter() - began
    figures = {
        "speed": heard / 16000 / used,
        "wall_speed": heard / 16000 / took,
        "final_p95": float(np.percentile(finals, 95)),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
