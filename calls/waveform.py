"""The outline of a recording, for a picture of it."""

import wave
from pathlib import Path
from typing import IO

import numpy as np

FULL_SCALE = 32768.0


def outline(source: Path | IO[bytes], columns: int) -> tuple[float, list[list[float]]]:
    """Return a WAV's seconds, and for each channel the loudest moment of each column, 0 to 1.

    Reads in pieces, so an hour's recording does not fill the memory.

    Raises:
        ValueError: it is no WAV of 16 bits.
        OSError: it cannot be read.
    """
    try:
        with wave.open(str(source) if isinstance(source, Path) else source, "rb") as file:
            channels, frames = file.getnchannels(), file.getnframes()
            if file.getsampwidth() != 2:  # noqa: PLR2004 - bytes
                raise ValueError(f"{8 * file.getsampwidth()} bits a sample, not 16")
            columns = max(1, min(columns, frames))
            ends = [frames * (column + 1) // columns for column in range(columns)]
            peaks = np.zeros((channels, columns))
            at = 0
            for column, end in enumerate(ends):
                piece = np.frombuffer(file.readframes(end - at), dtype="<i2")
                at = end
                if piece.size >= channels:
                    whole = piece[: piece.size // channels * channels].reshape(-1, channels)
                    peaks[:, column] = np.abs(whole.astype(np.int32)).max(axis=0) / FULL_SCALE
            return frames / file.getframerate(), np.round(peaks, 3).tolist()
    except (wave.Error, EOFError) as error:
        raise ValueError(f"{source.name}: {error}") from error
