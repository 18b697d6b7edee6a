"""Hearing a recording's missed parts, whenever nobody who speaks now has to wait for it."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from asr.control import RecogniseFile
from asr.ports import Final, Gap, Heard, Recognizer, RecognizerError
from asr.recording import read_side
from asr.rtp_source import Audio
from asr.transcriber import Listening, Transcriber

_AHEAD = 0.5
_LOOK_AGAIN = 0.05
_QUIET_LOOK_AGAIN = 0.5


async def recognise_file(
    command: RecogniseFile,
    recognizer: Recognizer,
    *,
    on_result: Callable[[Final], None],
    listening: Listening,
    quiet: Callable[[], bool],
) -> None:
    """Hear one channel of a recording between two times; return after its last final.

    Args:
        command: which recording, channel and times.
        recognizer: the engine.
        on_result: called with each final, its times those of the recording.
        listening: how it is listened to.
        quiet: whether there is time now.

    Raises:
        RecognizerError: the recording cannot be read, or the engine failed on it.
    """
    missed: list[Gap] = []

    def take(heard: Heard) -> None:
        if isinstance(heard, Final):
            on_result(heard)
        elif isinstance(heard, Gap):
            missed.append(heard)

    pieces = await asyncio.to_thread(_read, command)
    transcriber = Transcriber(command.stream, recognizer, on_heard=take, listening=listening)
    transcriber.partials = False
    try:
        for piece in pieces:
            transcriber.put(piece)
            while transcriber.waiting > _AHEAD or not quiet():  # noqa: ASYNC110 - a rate, no event
                await asyncio.sleep(_LOOK_AGAIN if quiet() else _QUIET_LOOK_AGAIN)
        await transcriber.finish()
    except BaseException:
        await transcriber.abort()
        raise
    if missed:
        raise RecognizerError(transcriber.trouble or "the recording was not heard to its end")


def _read(command: RecogniseFile) -> list[Audio]:
    """Read it all: a minute of one side is a megabyte."""
    path = Path(command.path)
    return list(read_side(path, channel=command.channel, start=command.start, end=command.end))
