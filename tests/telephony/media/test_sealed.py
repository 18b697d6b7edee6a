"""Sealed recordings: read by whoever has the key, and never after somebody has changed them."""

import io
import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.media.recorder import Recorder
from telephony.media.recording import FRAME_BYTES
from telephony.media.sealed import (
    HEADER_OCTETS,
    SealedFile,
    SealError,
    SealKeys,
    data_bytes,
    samples,
)

KEYS = SealKeys([b"k" * 32])
BLOCKS = [bytes([number]) * 400 for number in range(5)]


def sealed(path: Path, keys: SealKeys = KEYS) -> bytes:
    file = SealedFile(path, keys.new_seal())
    for block in BLOCKS:
        file.append(block)
    assert file.data_bytes == 2000
    file.close()
    octets = path.read_bytes()
    assert file.size == len(octets)
    return octets


def read(octets: bytes, keys: SealKeys = KEYS) -> bytes:
    return b"".join(samples(io.BytesIO(octets), keys))


def test_what_was_written_is_read(tmp_path: Path) -> None:
    octets = sealed(tmp_path / "day" / "call.sealed")
    assert read(octets) == b"".join(BLOCKS)
    assert data_bytes(io.BytesIO(octets)) == 2000
    assert all(block not in octets for block in BLOCKS)


def test_no_two_files_are_sealed_alike(tmp_path: Path) -> None:
    one, other = (sealed(tmp_path / name)[HEADER_OCTETS:] for name in ("a", "b"))
    assert one[4:404] != other[4:404]


def test_a_killed_process_leaves_what_it_had_written(tmp_path: Path) -> None:
    octets = sealed(tmp_path / "call.sealed")
    chunk = 4 + 400 + 16
    for length in range(HEADER_OCTETS, len(octets)):
        whole = (length - HEADER_OCTETS) // chunk
        assert read(octets[:length]) == b"".join(BLOCKS[:whole])
        assert data_bytes(io.BytesIO(octets[:length])) == 400 * min(whole, 5)


def test_older_keys_open_what_they_have_sealed(tmp_path: Path) -> None:
    octets = sealed(tmp_path / "call.sealed")
    assert read(octets, SealKeys([b"new" + bytes(29), b"k" * 32])) == b"".join(BLOCKS)
    with pytest.raises(SealError, match="not configured"):
        read(octets, SealKeys([bytes(32)]))


def test_keys_have_32_octets() -> None:
    for keys in ([], [b"short"], [bytes(32), bytes(31)]):
        with pytest.raises(ValueError, match="32 octets"):
            SealKeys(keys)


def test_chunks_are_neither_exchanged_nor_left_out_nor_appended(tmp_path: Path) -> None:
    octets, chunk = sealed(tmp_path / "call.sealed"), 4 + 400 + 16
    head, body = octets[:HEADER_OCTETS], octets[HEADER_OCTETS:]
    chunks = [body[at : at + chunk] for at in range(0, 5 * chunk, chunk)]
    last = body[5 * chunk :]
    for changed in (
        [chunks[1], chunks[0], *chunks[2:], last],
        [*chunks[:2], *chunks[3:], last],
        [*chunks, chunks[4], last],
        [*chunks, last, b"x"],
        [*chunks[:4], last],
    ):
        with pytest.raises(SealError, match="altered"):
            read(head + b"".join(changed))


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_a_bit_that_was_changed_is_found_out_or_cuts_the_end_off(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("sealed") / "call.sealed"
    octets = bytearray(sealed(path))
    at = data.draw(st.integers(0, len(octets) - 1))
    octets[at] ^= 1 << data.draw(st.integers(0, 7))
    try:
        found = read(bytes(octets))
    except SealError:
        return
    assert b"".join(BLOCKS).startswith(found)


@given(st.binary(max_size=300))
def test_any_octets_are_no_recording(octets: bytes) -> None:
    with pytest.raises(SealError):
        read(octets)


def test_a_seal_says_nothing_of_its_key() -> None:
    seal = KEYS.new_seal()
    assert repr(seal) == "Seal()"


async def test_a_recorder_writes_one(tmp_path: Path) -> None:
    path = tmp_path / "call.sealed"
    noise = secrets.token_bytes(800 * FRAME_BYTES)
    with ThreadPoolExecutor(1) as disk:
        taken = Recorder(path, executor=disk, on_failed=pytest.fail, seal=KEYS.new_seal())
        taken.write(noise)
        written = await taken.stop()
    octets = path.read_bytes()
    assert read(octets) == noise
    assert (written.seconds, written.bytes) == (0.1, len(octets))
