"""Taking a span out of a recording and its transcript: a card number said aloud, a third person.

The span becomes silence, for good: the file is rewritten beside the old one and takes its place in
one step, so a power cut leaves either the old recording or the new one.
"""

import hashlib
import os
import re
import wave
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

from tickets.blackening import Redaction
from tickets.fields import AS_SAID, Passage

Side = Literal["caller", "agent", "both"]

BLACKENED: Final = "■■"
"""What stands in the transcript for words that were taken out."""

_CHANNEL: Final = {"caller": 0, "agent": 1}
_COPY_FRAMES: Final = 65536


_PUNCTUATION: Final = re.compile(r"[\s，。、；：？！,.;:?!]")
_RUN: Final = 4
"""So many characters in a row that were taken out are taken out wherever they are repeated."""
_PIECES: Final = re.compile(r" … |、|…")
"""What parts the pieces of evidence that was said bit by bit."""


class RedactionError(Exception):
    """The span cannot be taken out; nothing was changed."""


class OverBefore(RedactionError):
    """The recording ends before the span begins."""


@dataclass(frozen=True, slots=True)
class Span:
    """Seconds since the recording began, and whose voice.

    Raises:
        RedactionError: it ends before it begins, or begins before the recording.
    """

    start: float
    end: float
    side: Side = "both"

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise RedactionError(f"a span begins at 0 or later and before its end: {self}")

    def touches(self, start: float, end: float, leg: str) -> bool:
        """Say whether an utterance of ``leg`` from ``start`` to ``end`` lies in the span."""
        return self.side in {"both", leg} and start < self.end and end > self.start


@dataclass(frozen=True, slots=True)
class Redacted:
    """What became of the recording.

    Attributes:
        seconds: so many were silenced.
        unreached: the parts that the span lies in, and of which there is no file here, but may be
            one on the disk of another node, which had the call: they were never completed.
        node: which had the call.
    """

    seconds: float
    unreached: tuple[int, ...] = ()
    node: str = ""

    @property
    def fault(self) -> str | None:
        """What could not be silenced, in words; None: nothing was left."""
        if not self.unreached:
            return None
        parts = ", ".join(map(str, self.unreached))
        return f"part {parts} was not completed: its file, if any, is at node {self.node}, not here"


def checksum(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal. Blocking; raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def blacken(text: str, words: Iterable[str]) -> str:
    """Return a text in which nothing of ``words`` is left, however either is punctuated.

    >>> blacken("路灯坏了，卡号是6222，请修。", ["喂，卡号是6222。"])
    '路灯坏了，■■，请修。'
    """
    places = [at for at, character in enumerate(text) if not _PUNCTUATION.match(character)]
    bare = "".join(text[at] for at in places)
    black: set[int] = set()
    for said in words:
        gone = _PUNCTUATION.sub("", said)
        for start in range(max(1, len(gone) - _RUN + 1)) if gone else ():
            run = gone[start : start + _RUN]
            for found in re.finditer(f"(?={re.escape(run)})", bare):
                first, last = found.start(), found.start() + len(run) - 1
                black |= set(range(places[first], places[last] + 1))
    marked = "".join("\0" if at in black else character for at, character in enumerate(text))
    return re.sub("\0+", BLACKENED, marked)


def repeats(text: str, words: Iterable[str]) -> bool:
    """Say whether a text repeats of ``words``: as much as is blackened, or all that it is.

    A single syllable (好) tells nothing of a longer text.

    >>> repeats("王小明", ["我叫王小明"]), repeats("李四", ["我叫王小明"])
    (True, False)
    """
    said = [_PUNCTUATION.sub("", one) for one in words]
    bare = _PUNCTUATION.sub("", text)
    telling = [one for one in said if len(one) > 1]
    return bool(bare) and (any(bare in one for one in said) or blacken(bare, telling) != bare)


def blackened_fields(
    fields: Mapping[str, Mapping[str, Any]], span: Span, words: Iterable[str]
) -> dict[str, dict[str, Any]]:
    """Return a ticket's fields without what was said in the span.

    What was heard there alone goes, value and evidence, and what content and evidence repeat of
    ``words``. A value that was read from elsewhere, or that the agent set, stays.
    """
    gone = list(words)
    return {name: {**field, **_without(name, field, span, gone)} for name, field in fields.items()}


def taken_out(span: Span, words: Iterable[str]) -> Redaction:
    """Return what a redaction takes out of a call's tickets.

    Args:
        span: of the call.
        words: what was said in it.
    """
    gone = list(words)
    return Redaction(
        fields=partial(blackened_fields, span=span, words=gone),
        text=partial(blacken, words=gone),
        repeats=partial(repeats, words=gone),
        mark=BLACKENED,
    )


def _without(name: str, field: Mapping[str, Any], span: Span, words: list[str]) -> dict[str, Any]:
    changed: dict[str, Any] = {}
    if _heard_there(field, span, words):
        changed["evidence"] = BLACKENED
        if name in AS_SAID and field["source"] == "heard":
            changed["value"] = None
    elif field.get("evidence"):
        changed["evidence"] = blacken(field["evidence"], words)
    if name == "content" and field["value"]:
        changed["value"] = blacken(field["value"], words)
    return changed


def _heard_there(field: Mapping[str, Any], span: Span, words: list[str]) -> bool:
    """Say whether a bit was said in the span; by the words, where not each has its time."""
    passage = Passage.from_dict(field["passage"]) if field.get("passage") else None
    if passage is not None:
        bits = passage.bits or ((passage.start, passage.end),)
        if any(span.touches(start, end, passage.leg) for start, end in bits):
            return True
    pieces = _PIECES.split(field.get("evidence") or "")
    if passage is not None and (passage.bits or len(pieces) == 1):
        return False
    return any(repeats(piece, words) for piece in pieces)


def silence(path: Path, span: Span) -> float:
    """Silence the span in a 16-bit WAV file; return how many seconds of it that were.

    Raises:
        RedactionError: it is no such file; ``OverBefore``: the span begins after its end.
        OSError: it cannot be read or written; the recording is as it was.
    """
    beside = path.with_name(f".{path.name}.redacting")
    try:
        seconds = _copy(path, beside, span)
        with beside.open("rb") as copy:
            os.fsync(copy.fileno())
        beside.replace(path)
    except (wave.Error, EOFError) as error:
        raise RedactionError(f"{path.name} is not a recording of ours: {error}") from error
    finally:
        beside.unlink(missing_ok=True)
    return seconds


def _copy(source: Path, target: Path, span: Span) -> float:
    with wave.open(str(source), "rb") as old, wave.open(str(target), "wb") as new:
        new.setparams(old.getparams())
        rate, width, channels = old.getframerate(), old.getsampwidth(), old.getnchannels()
        first, last = round(span.start * rate), min(round(span.end * rate), old.getnframes())
        if first >= last:
            raise OverBefore(f"the recording is over before {span.start:g} s")
        frame = width * channels
        position = 0
        while data := old.readframes(_COPY_FRAMES):
            block = bytearray(data)
            count = len(block) // frame
            begin, end = max(first - position, 0), min(last - position, count)
            if begin < end:
                mute(block, begin, end, side=span.side, width=width, channels=channels)
            new.writeframesraw(block)
            position += count
    return (last - first) / rate


def mute(block: bytearray, begin: int, end: int, *, side: Side, width: int, channels: int) -> None:
    """Silence a side from one frame of interleaved samples up to another."""
    frame = width * channels
    if side == "both" or channels == 1:
        block[begin * frame : end * frame] = bytes((end - begin) * frame)
    else:
        _mute(block, slice(begin * frame, end * frame, frame), width, _CHANNEL[side])


def _mute(block: bytearray, frames: slice, width: int, channel: int) -> None:
    """Silence one channel of the frames that start at each index of ``frames``."""
    starts = range(frames.start, frames.stop, frames.step)
    for octet in range(width):
        at = frames.start + channel * width + octet
        block[at : frames.stop : frames.step] = bytes(len(starts))
