"""``python -m hotline recording …``: recordings at the command line."""

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from calls.recording_files import RecordingFiles
from config.errors import ConfigError
from config.settings import load
from hotline.recording_keys import seal_keys
from telephony.media.sealed import SealError

app = typer.Typer(help="Recordings: open what is encrypted.", no_args_is_help=True)
err = Console(stderr=True)
out = Console()


@app.callback()
def recording() -> None:
    """Recordings: open what is encrypted."""


@app.command()
def decrypt(
    file: Annotated[Path, typer.Argument(help="A sealed recording.")],
    out_file: Annotated[
        Path | None, typer.Option("--out", help="Where to; default: beside it, as .wav.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="A TOML file with the options that you change.")
    ] = None,
) -> None:
    """Write a sealed recording as a WAV file that this user alone may read."""
    target = out_file or file.with_suffix(".wav")
    made = False
    try:
        length, audio = RecordingFiles(seal_keys(load(config, os.environ))).wav(file)
        number = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        made = True
        with os.fdopen(number, "wb") as written:
            for block in audio:
                written.write(block)
    except (ConfigError, SealError, OSError) as error:
        if made:
            target.unlink(missing_ok=True)
        err.print(f"Not decrypted: {error}", style="red", markup=False)
        raise typer.Exit(1) from None
    out.print(f"{target}: {length} bytes", markup=False)
