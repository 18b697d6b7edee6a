"""``python -m hotline recording …``: recordings at the command line."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from calls.recording_files import RecordingFiles
from config.errors import ConfigError
from config.settings import load
from hotline.recording_keys import seal_keys
from telephony.media.sealed import SealError

app = typer.Typer(
    help="Recordings: open what is encrypted, part the two sides.", no_args_is_help=True
)
err = Console(stderr=True)
out = Console()

Config = Annotated[
    Path | None, typer.Option("--config", help="A TOML file with the options that you change.")
]


@app.callback()
def recording() -> None:
    """Recordings: open what is encrypted, part the two sides."""


@app.command()
def decrypt(
    file: Annotated[Path, typer.Argument(help="A sealed recording.")],
    out_file: Annotated[
        Path | None, typer.Option("--out", help="Where to; default: beside it, as .wav.")
    ] = None,
    config: Config = None,
) -> None:
    """Write a sealed recording as a WAV file that this user alone may read."""
    target = out_file or file.with_suffix(".wav")
    try:
        length, audio = _files(config).wav(file)
        _write(target, audio)
    except (ConfigError, SealError, OSError) as error:
        err.print(f"Not decrypted: {error}", style="red", markup=False)
        raise typer.Exit(1) from None
    out.print(f"{target}: {length} bytes", markup=False)


@app.command()
def legs(
    file: Annotated[Path, typer.Argument(help="A recording, sealed or not.")],
    folder: Annotated[
        Path | None, typer.Option("--out", help="The folder for them; default: that of the file.")
    ] = None,
    config: Config = None,
) -> None:
    """Write the caller's and the hotline's side as a mono WAV file each, for this user alone."""
    try:
        files = _files(config)
        for side in ("caller", "agent"):
            target = (folder or file.parent) / f"{file.stem}-{side}.wav"
            length, audio = files.one_side(file, side)
            _write(target, audio)
            out.print(f"{target}: {length} bytes", markup=False)
    except (ConfigError, SealError, OSError) as error:
        err.print(f"Not parted: {error}", style="red", markup=False)
        raise typer.Exit(1) from None


def _files(config: Path | None) -> RecordingFiles:
    return RecordingFiles(seal_keys(load(config, os.environ)))


def _write(target: Path, audio: Iterable[bytes]) -> None:
    """Write a new file, the whole of it or none.

    Raises:
        SealError: the recording was altered.
        OSError: the file is there already, or cannot be written.
    """
    number = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(number, "wb") as written:
            for block in audio:
                written.write(block)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
