"""Recordings that are encrypted where they lie: AES-256-GCM, a chunk at a time.

A file is a header and chunks. The header is :data:`MAGIC`, eight octets that tell which key opens
it, and 32 random ones; from those and the key follows a key that this file alone has (HKDF, RFC
5869), so nonces may count from zero. A chunk is its length in 32 bits and as many samples, sealed,
with a tag of 16 octets behind them; its nonce is its number, and whether it is the last. So chunks
can neither be changed, exchanged, left out nor put into another file. A killed process leaves a
file without a last chunk: all that it had written is there, and one can tell that it is not whole.

The samples are those of a recording (interleaved 16-bit stereo at 8 kHz) without a WAV header.
"""

import hashlib
import os
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from struct import Struct
from typing import BinaryIO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MAGIC: Final = b"HLSEAL1\n"
KEY_OCTETS: Final = 32
HEADER_OCTETS: Final = len(MAGIC) + 8 + 32
SUFFIX: Final = ".sealed"
"""What the name of a sealed recording ends with."""

_LENGTH: Final = Struct(">I")
_NONCE: Final = Struct(">3xBQ")
_TAG: Final = 16
_LONGEST: Final = 64 << 20  # no chunk of ours is; keeps a damaged length from taking all memory


class SealError(Exception):
    """A file cannot be opened: no key of ours, not one of ours, or altered; the message says."""


@dataclass(frozen=True, slots=True)
class Seal:
    """What one file is sealed with.

    Attributes:
        header: of the file.
        key: of this file alone.
    """

    header: bytes
    key: bytes

    def __repr__(self) -> str:
        """Say nothing of the key, which must not come into a log."""
        return "Seal()"


class SealKeys:
    """The keys of a city's recordings, 32 octets each: the first seals, all open.

    Raises:
        ValueError: there is none, or one has another length.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != KEY_OCTETS for key in keys):
            raise ValueError(f"keys of {KEY_OCTETS} octets are expected")
        self._keys = {_key_id(key): key for key in reversed(keys)}
        self._first = keys[0]

    def new_seal(self) -> Seal:
        """Return what a new file is sealed with."""
        header = MAGIC + _key_id(self._first) + secrets.token_bytes(32)
        return Seal(header, _file_key(self._first, header))

    def seal_of(self, header: bytes) -> Seal:
        """Return what the file with this header is sealed with.

        Raises:
            SealError: it is no such header, or none of our keys fits.
        """
        if len(header) != HEADER_OCTETS or not header.startswith(MAGIC):
            raise SealError("not a sealed recording")
        key = self._keys.get(header[len(MAGIC) : len(MAGIC) + 8])
        if key is None:
            raise SealError("sealed with a key that is not configured here")
        return Seal(header, _file_key(key, header))


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"hotline recording key\0" + key).digest()[:8]


def _file_key(key: bytes, header: bytes) -> bytes:
    salt = header[-32:]
    return HKDF(SHA256(), KEY_OCTETS, salt=salt, info=b"hotline recording").derive(key)


class SealedFile:
    """A growing sealed recording. Every method blocks, and raises OSError.

    Args:
        path: of the file, which must not exist; missing folders are made.
        seal: what it is sealed with; never used for another file.
    """

    def __init__(self, path: Path, seal: Seal) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = FileIO(path, "xb")
        self._cipher = AESGCM(seal.key)
        self._header = seal.header
        self._number = 0
        self._data_bytes = 0
        self._size = 0
        self._broken = False
        self._write(seal.header)

    @property
    def data_bytes(self) -> int:
        """How many bytes of samples the file holds."""
        return self._data_bytes

    @property
    def size(self) -> int:
        """How many bytes the file has."""
        return self._size

    def append(self, data: bytes) -> None:
        """Write samples."""
        if data:  # a chunk of nothing is the last
            self._chunk(data, last=False)
            self._data_bytes += len(data)

    def close(self) -> None:
        """Write that it is whole, unless writing has failed, and close the file."""
        try:
            if not self._broken:
                self._chunk(b"", last=True)
        finally:
            self._file.close()

    def _chunk(self, data: bytes, *, last: bool) -> None:
        sealed = self._cipher.encrypt(_NONCE.pack(last, self._number), data, self._header)
        self._number += 1
        self._write(_LENGTH.pack(len(data)) + sealed)

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        self._broken = True
        while rest:
            rest = rest[self._file.write(rest) :]
        self._broken = False
        self._size += len(data)


def samples(file: BinaryIO, keys: SealKeys) -> Iterator[bytes]:
    """Yield the samples of a sealed recording, chunk by chunk, as far as they were written.

    Raises:
        SealError: no key fits, or it was altered.
    """
    seal = keys.seal_of(file.read(HEADER_OCTETS))
    cipher = AESGCM(seal.key)
    number = 0
    while (chunk := _next_chunk(file)) is not None:
        last = len(chunk) == _TAG
        try:
            data = cipher.decrypt(_NONCE.pack(last, number), chunk, seal.header)
        except InvalidTag:
            raise SealError("the recording was altered") from None
        if last:
            if file.read(1):
                raise SealError("the recording was altered: something is behind its end")
            return
        number += 1
        yield data


def samples_between(file: BinaryIO, keys: SealKeys, start: int, stop: int) -> Iterator[bytes]:
    """Yield a sealed recording's bytes of samples from ``start`` up to ``stop``, as far as written.

    Only the chunks that they lie in are opened; each proves by its number that it is in its place.

    Raises:
        SealError: no key fits, or one of those chunks was altered.
    """
    seal = keys.seal_of(file.read(HEADER_OCTETS))
    cipher = AESGCM(seal.key)
    position = 0
    for number, (at, length) in enumerate(_chunks(file)):
        begin, end = max(start - position, 0), min(stop - position, length)
        position += length
        if begin < end:
            file.seek(at)
            chunk = file.read(length + _TAG)
            try:
                data = cipher.decrypt(_NONCE.pack(False, number), chunk, seal.header)  # noqa: FBT003 - not the last
            except InvalidTag:
                raise SealError("the recording was altered") from None
            yield data[begin:end]


def data_bytes(file: BinaryIO) -> int:
    """Return how many bytes of samples a sealed recording holds, by its lengths alone."""
    return sum(length for _, length in _chunks(file))


def _chunks(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Yield where each whole chunk lies, and how many bytes of samples are in it."""
    file.seek(0, os.SEEK_END)
    size, at = file.tell(), HEADER_OCTETS
    while at + _LENGTH.size <= size:
        file.seek(at)
        (length,) = _LENGTH.unpack(file.read(_LENGTH.size))
        begin = at + _LENGTH.size
        at = begin + length + _TAG
        if at <= size:
            yield begin, length


def _next_chunk(file: BinaryIO) -> bytes | None:
    """Return the next whole chunk with its tag; None at the end, or where a process was killed."""
    head = file.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    if length > _LONGEST:
        raise SealError("the recording was altered: a chunk is longer than any")
    chunk = file.read(length + _TAG)
    return chunk if len(chunk) == length + _TAG else None
