import subprocess
import wave
from pathlib import Path

import numpy as np
import pytest

from asr import g711
from asr.control import Codec
from tests.asr import speech

# From ITU-T G.711 tables 1a to 2b, moved up to 16 bits: largest, smallest, and one between.
A_LAW = {0xAA: 32256, 0x2A: -32256, 0xD5: 8, 0x55: -8, 0x80: 5504, 0x00: -5504}
MU_LAW = {0x80: 32124, 0x00: -32124, 0xFF: 0, 0x7F: 0, 0xF0: 120, 0x8F: 16764}


@pytest.mark.parametrize("codec, table", [("PCMA", A_LAW), ("PCMU", MU_LAW)])
def test_known_values(codec: Codec, table: dict[int, int]) -> None:
    decoded = np.frombuffer(g711.decode(bytes(table), codec), "<i2")
    assert decoded.tolist() == list(table.values())


@pytest.mark.parametrize("codec, sox", [("PCMA", "a-law"), ("PCMU", "mu-law")])
def test_every_code_is_what_sox_says(codec: Codec, sox: str, tmp_path: Path) -> None:
    raw, out = tmp_path / "all.raw", tmp_path / "all.wav"
    raw.write_bytes(bytes(range(256)))
    source = ["-t", "raw", "-r", "8000", "-c", "1", "-b", "8", "-e", sox, str(raw)]
    subprocess.run(["sox", "-D", *source, "-e", "signed", "-b", "16", str(out)], check=True)
    with wave.open(str(out)) as file:
        assert file.readframes(256) == g711.decode(bytes(range(256)), codec)


def test_decoding_undoes_encoding_but_for_the_steps() -> None:
    original = np.rint(20000 * np.sin(np.arange(8000) / 7))
    encoded = speech.encode_a_law(original.astype("<i2").tobytes())
    noise = original - np.frombuffer(g711.decode(encoded, "PCMA"), "<i2")
    # G.711's signal to quantisation noise for a loud sine is 36 to 39 dB.
    assert 35 < 10 * np.log10((original**2).sum() / (noise**2).sum()) < 42
