"""What callers hear from the system: the recordings that ship, and those a city put in their place.

The media processes play files. So each node has a folder that looks like the shipped one: a link
for each shipped recording, and a file of its own where an administrator gave another. Which these
are is a document (``calls/documents.py``, name ``prompts``): recording → digest; the octets are in
the database once for each digest, and stay there, so that every version can be put back.
"""

import asyncio
import hashlib
import io
import re
import wave
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Protocol

import structlog
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import Column, LargeBinary, String, Table, insert, select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from calls.document_forms import ModelForm
from calls.documents import Book
from calls.records import metadata
from eventbus.tasks import end

log = structlog.get_logger(__name__)

RATES: Final = (8000, 16000)
MOST_OCTETS: Final = 20_000_000
"""Ten minutes at 16 kHz."""
MOST_SECONDS: Final = 600.0
SECTION: Final = "recordings"
_SAMPLE_OCTETS: Final = 2
_OWN_GREETING = re.compile(r"(zh|en)\.welcome-[0-9]{1,20}")
"""A line's own greeting need not ship."""

prompt_files = Table(
    "prompt_files",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("octets", LargeBinary, nullable=False),
)


class BadRecording(ValueError):
    """The octets are no recording that can be played; the message says why."""


class UnknownPrompt(Exception):
    """Nothing of this name is ever played."""


class Replaced(BaseModel):
    """A recording that an administrator gave."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    seconds: Annotated[float, Field(ge=0, le=MOST_SECONDS, allow_inf_nan=False)]


class PromptsDocument(BaseModel):
    """Which recordings are others than those that ship; ``zh.welcome`` → what is in its place."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    recordings: Annotated[
        dict[
            Annotated[str, StringConstraints(pattern=r"^((zh|en)\.)?[A-Za-z0-9-]{1,64}$")], Replaced
        ],
        Field(max_length=2000),
    ]


FORM: Final = ModelForm("prompts", PromptsDocument, (SECTION,))


@dataclass(frozen=True, slots=True)
class Prompt:
    """One recording; ``name`` as in ``zh.welcome``, ``text`` what the shipped one says."""

    name: str
    text: str
    replaced: bool
    seconds: float


class PromptFiles(Protocol):
    """Where the octets are kept, by their SHA-256."""

    async def get(self, digest: str) -> bytes | None:
        """Return them, or None."""

    async def put(self, digest: str, octets: bytes) -> None:
        """Keep them; safe to repeat."""


class SqlPromptFiles:
    """In the database, for all nodes."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def get(self, digest: str) -> bytes | None:
        """Return the octets, or None."""
        query = select(prompt_files.c.octets).where(prompt_files.c.sha256 == digest)
        async with self._engine.connect() as connection:
            octets: bytes | None = await connection.scalar(query)
        return octets

    async def put(self, digest: str, octets: bytes) -> None:
        """Keep them; safe to repeat."""
        try:
            async with self._engine.begin() as connection:
                await connection.execute(insert(prompt_files).values(sha256=digest, octets=octets))
        except IntegrityError:
            return  # they are there already


def seconds_of(octets: bytes) -> float:
    """Return how long a recording is: WAV, 16 bit PCM, mono, 8 or 16 kHz.

    Raises:
        BadRecording: it is something else, empty, too long or cut off.
    """
    if len(octets) > MOST_OCTETS:
        raise BadRecording(f"{len(octets)} octets; at most {MOST_OCTETS}")
    try:
        with wave.open(io.BytesIO(octets)) as file:
            channels, width = file.getnchannels(), file.getsampwidth()
            rate, frames = file.getframerate(), file.getnframes()
            data = file.readframes(frames)
    except (wave.Error, EOFError, RuntimeError) as error:
        raise BadRecording(f"no PCM WAV file ({error})") from error
    if channels != 1:
        raise BadRecording(f"{channels} channels; one is wanted")
    if width != _SAMPLE_OCTETS:
        raise BadRecording(f"{8 * width} bits a sample; 16 are wanted")
    if rate not in RATES:
        raise BadRecording(f"{rate} samples a second; 8000 or 16000 are wanted")
    if len(data) != frames * width or not frames:
        raise BadRecording(f"{len(data)} octets of audio where its head says {frames * width}")
    if frames > MOST_SECONDS * rate:
        raise BadRecording(f"{frames / rate:.0f} s; at most {MOST_SECONDS:.0f}")
    seconds: float = frames * 100 // rate / 100
    return seconds


class PromptShelf:
    """The recordings of one node.

    Args:
        folder: is made to hold all of them.
        shipped: the folder with those that ship (or the city's own, ``waiting.prompts``).
        book: the document; its ``on_change`` becomes ours.
        files: the octets.
    """

    def __init__(
        self, *, folder: Path, shipped: Path, book: Book[PromptsDocument], files: PromptFiles
    ) -> None:
        self.folder = folder
        self._shipped = shipped
        self.book = book
        self._files = files
        self._changed = asyncio.Event()
        self._laying_out = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        book.on_change = self._changed.set

    async def start(self) -> None:
        """Lay the folder out; the document has been loaded."""
        await self.lay_out()
        self._task = asyncio.create_task(self._follow(), name="prompts")

    async def close(self) -> None:
        """Stop."""
        await end(self._task)

    def list_(self) -> list[Prompt]:
        """Return every recording, in the order of names. Reads the disk."""
        texts = self._texts()
        own = self.book.value.recordings
        return [
            Prompt(name, texts.get(name, ""), name in own, self._seconds(name))
            for name in sorted({*self._names(), *own})
        ]

    def path(self, name: str) -> Path:
        """Return the file that is played; raise ``UnknownPrompt``."""
        self._check(name)
        path = _place(self.folder, name)
        if not path.is_file():
            raise UnknownPrompt(name)
        return path

    async def put(self, name: str, octets: bytes, *, who: str, expected: int | None = None) -> None:
        """Put another recording in the place of one.

        Raises:
            BadRecording: it cannot be played.
            UnknownPrompt: nothing of this name is ever played.
            StaleDocument: another version is in force.
        """
        self._check(name)
        seconds = await asyncio.to_thread(seconds_of, octets)
        digest = hashlib.sha256(octets).hexdigest()
        await self._files.put(digest, octets)
        entry = {"sha256": digest, "seconds": seconds}
        await self.book.put(SECTION, name, entry, who=who, expected=expected)
        await self.lay_out()

    async def restore(self, name: str, *, who: str, expected: int | None = None) -> None:
        """Go back to the recording that ships.

        Raises:
            UnknownPrompt: nothing of this name is ever played.
            UnknownEntry: it is the shipped one already.
            StaleDocument: another version is in force.
        """
        self._check(name)
        await self.book.put(SECTION, name, None, who=who, expected=expected)
        await self.lay_out()

    async def lay_out(self) -> None:
        """Make the folder hold what the document says: each file is replaced in one step."""
        async with self._laying_out:  # who makes a change and who follows it come together
            await self._lay_out()

    async def _lay_out(self) -> None:
        own = self.book.value.recordings
        await asyncio.to_thread(self._link_shipped, set(own))
        for name, one in own.items():
            path = _place(self.folder, name)
            if path.is_symlink() or not await asyncio.to_thread(_holds, path, one.sha256):
                octets = await self._files.get(one.sha256)
                if octets is None:
                    log.warning("recording_missing", prompt=name, sha256=one.sha256)
                    await asyncio.to_thread(self._link_shipped, set(own) - {name})
                else:
                    await asyncio.to_thread(_replace, path, octets)

    def _link_shipped(self, but: Collection[str]) -> None:
        for language in ("zh", "en"):
            (self.folder / language).mkdir(parents=True, exist_ok=True)
        names = self._names()
        for name in names - set(but):
            path, shipped = _place(self.folder, name), _place(self._shipped, name)
            if not path.is_symlink() or path.readlink() != shipped:
                temporary = path.with_name(f".{path.name}")
                temporary.unlink(missing_ok=True)
                temporary.symlink_to(shipped)
                temporary.replace(path)
        for path in self.folder.glob("**/*.wav"):  # a line's greeting that was taken back
            name = _name(self.folder, path)
            if name not in names and name not in but:
                path.unlink()

    async def _follow(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self.lay_out()
            except (SQLAlchemyError, OSError) as error:
                log.warning("prompts_not_laid_out", error=str(error))
            except Exception:  # the task's outermost boundary
                log.exception("prompts_failed")

    def _names(self) -> set[str]:
        return {_name(self._shipped, path) for path in self._shipped.glob("**/*.wav")}

    def _check(self, name: str) -> None:
        if name not in self._names() and not _OWN_GREETING.fullmatch(name):
            raise UnknownPrompt(name)

    def _seconds(self, name: str) -> float:
        try:
            with wave.open(str(_place(self.folder, name)), "rb") as file:
                return file.getnframes() * 100 // file.getframerate() / 100
        except (OSError, wave.Error, EOFError):
            return 0.0

    def _texts(self) -> dict[str, str]:
        texts: dict[str, str] = {}
        for path in self._shipped.glob("*/texts.tsv"):
            for line in path.read_text(encoding="utf-8").splitlines():
                piece, _, text = line.partition("\t")
                texts[f"{path.parent.name}.{piece}"] = text
        return texts


def _place(folder: Path, name: str) -> Path:
    language, dot, piece = name.partition(".")
    return folder / language / f"{piece}.wav" if dot else folder / f"{name}.wav"


def _name(folder: Path, path: Path) -> str:
    return ".".join(path.relative_to(folder).with_suffix("").parts)


def _holds(path: Path, digest: str) -> bool:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == digest
    except OSError:
        return False


def _replace(path: Path, octets: bytes) -> None:
    temporary = path.with_name(f".{path.name}")
    temporary.unlink(missing_ok=True)
    temporary.write_bytes(octets)
    temporary.replace(path)


def configured() -> dict[str, Any]:
    """Return the document where nobody has given a recording."""
    return {SECTION: {}}
