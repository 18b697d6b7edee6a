"""Recordings as they lie on the disk: heard and silenced alike, sealed or not."""

import io
import tempfile
import wave
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calls.recording_files import PLAIN, RecordingFiles
from calls.redaction import RedactionError, Span
from telephony.media.sealed import HEADER_OCTETS, SealedFile, SealError, SealKeys
from tests.support.waveforms import write_tone

KEYS = SealKeys([b"k" * 32])
FILES = RecordingFiles(KEYS)
SECOND = np.full((8000, 2), 1000, np.int16)


def sealed(path: Path, *, seconds: int = 3) -> Path:
    file = SealedFile(path, KEYS.new_seal())
    for _ in range(2 * seconds):
        file.append(SECOND[:4000].tobytes())
    file.close()
    return path


def heard(octets: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    with wave.open(io.BytesIO(octets)) as file:
        assert file.getparams()[:3] == (2, 2, 8000)
        return np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2)


def test_it_is_heard_as_wav(tmp_path: Path) -> None:
    length, audio = FILES.wav(sealed(tmp_path / "call.sealed"))
    octets = b"".join(audio)
    assert len(octets) == length
    assert len(heard(octets)) == 24000


@given(st.integers(0, 4100), st.integers(0, 4100))
def test_any_of_its_octets_are_those_of_the_whole(first: int, count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "call.sealed"
        file = SealedFile(path, KEYS.new_seal())
        for number in range(8):
            file.append(bytes([number]) * 512)
        file.close()
        octets = b"".join(FILES.wav(path)[1])
        assert FILES.wav_octets(path) == len(octets) == 44 + 4096
        part = b"".join(FILES.wav_between(path, first, first + count))
        assert part == octets[first : first + count + 1]


@pytest.mark.parametrize("side,level", [("caller", 1000), ("agent", 0)])
@pytest.mark.parametrize("seal", [True, False])
def test_one_side_is_heard_alone(
    tmp_path: Path, side: Literal["caller", "agent"], level: int, *, seal: bool
) -> None:
    path = sealed(tmp_path / "call.sealed")
    FILES.silence(path, Span(0.0, 3.0, "agent"))
    if not seal:
        octets = b"".join(FILES.wav(path)[1])
        path = tmp_path / "call.wav"
        path.write_bytes(octets)
    length, audio = FILES.one_side(path, side)
    octets = b"".join(audio)
    assert len(octets) == length
    with wave.open(io.BytesIO(octets)) as file:
        assert file.getparams()[:4] == (1, 2, 8000, 24000)
        assert set(np.frombuffer(file.readframes(24000), np.int16)) == {level}


def test_an_altered_chunk_is_found_where_it_is_asked_for(tmp_path: Path) -> None:
    path = sealed(tmp_path / "call.sealed", seconds=2)  # four chunks of 16,000
    altered = bytearray(path.read_bytes())
    altered[HEADER_OCTETS + 16020 + 100] ^= 1  # in the second
    path.write_bytes(altered)
    assert len(b"".join(FILES.wav_between(path, 0, 16043))) == 16044
    with pytest.raises(SealError, match="altered"):
        b"".join(FILES.wav_between(path, 0, 16044))


def test_a_span_is_silenced_and_all_else_is_as_it_was(tmp_path: Path) -> None:
    path = sealed(tmp_path / "call.sealed")
    assert FILES.silence(path, Span(0.25, 1.75, "agent")) == 1.5
    after = heard(b"".join(FILES.wav(path)[1]))
    assert (after[:, 0] == 1000).all()
    assert (after[2000:14000, 1] == 0).all()
    assert (after[:2000, 1] == 1000).all()
    assert (after[14000:, 1] == 1000).all()
    assert [entry.name for entry in tmp_path.iterdir()] == ["call.sealed"]


def test_what_cannot_be_silenced_stays(tmp_path: Path) -> None:
    path = sealed(tmp_path / "call.sealed", seconds=1)
    before = path.read_bytes()
    with pytest.raises(RedactionError, match="over before 2 s"):
        FILES.silence(path, Span(2.0, 3.0))
    with pytest.raises(RedactionError, match="no key is configured"):
        PLAIN.silence(path, Span(0.0, 0.5))
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["call.sealed"]


def test_a_copy_is_lent_and_taken_back(tmp_path: Path) -> None:
    with FILES.plain(sealed(tmp_path / "call.sealed")) as lent:
        assert lent.stat().st_mode & 0o077 == 0
        assert len(heard(lent.read_bytes())) == 24000
    assert not lent.exists()
    plain = tmp_path / "call.wav"
    write_tone(plain, 400, seconds=1.0)
    with FILES.plain(plain) as lent:
        assert lent == plain


def test_without_the_key_nothing_is_heard(tmp_path: Path) -> None:
    path = sealed(tmp_path / "call.sealed")
    with pytest.raises(SealError, match="no key"):
        PLAIN.wav(path)
    with pytest.raises(SealError, match="not configured"):
        RecordingFiles(SealKeys([bytes(32)])).wav(path)


def test_new_ones_are_as_configured() -> None:
    assert (PLAIN.suffix, PLAIN.new_seal()) == (".wav", None)
    assert FILES.suffix == ".sealed"
    assert FILES.new_seal() is not None
