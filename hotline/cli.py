"""The command line: ``python -m hotline run | migrate | doctor | call | demo``."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.console import Console

from config.errors import ConfigError
from config.settings import Settings, load
from hotline import log
from hotline.banner import banner
from hotline.children import ChildFailed
from hotline.database import migrate as migrate_database
from hotline.database import open_engine
from hotline.embedded import DataDirectory, DataDirectoryBusy, MissingProgram
from hotline.wiring import Wiring

app = typer.Typer(
    help="The city hotline's contact centre.", no_args_is_help=True, add_completion=False
)
err = Console(stderr=True)
out = Console()

ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="A TOML file with the options that you change.")
]


def settings_from(config: Path | None) -> Settings:
    """Load the settings, or end the program naming what is wrong."""
    try:
        settings = load(config, os.environ)
    except ConfigError as error:
        err.print(str(error), style="red", markup=False, highlight=False)
        raise typer.Exit(2) from None
    log.set_up(settings.log.level, settings.log.format)
    return settings


@app.command()
def run(
    config: ConfigFile = None,
    *,
    demonstration_model: Annotated[
        bool,
        typer.Option(help="Without a model for callers, use the one for synthetic speech."),
    ] = False,
) -> None:
    """Start a node, and everything it needs that is not configured to be elsewhere."""
    settings = settings_from(config)
    try:
        uvloop.run(_run(settings, demonstration_model=demonstration_model))
    except (DataDirectoryBusy, MissingProgram, ChildFailed, OSError) as error:
        err.print(f"The node did not start: {error}", style="red", markup=False)
        raise typer.Exit(1) from None


async def _run(settings: Settings, *, demonstration_model: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    directory = DataDirectory.open(settings.node.data_dir)
    try:
        wiring = Wiring(settings, directory, demonstration_model=demonstration_model)
        node = wiring.build(on_progress=lambda part: err.print(f"  starting {part}", style="dim"))
        async with node.running():
            running = wiring.running
            out.print(
                banner(
                    running,
                    lines={number: line.name for number, line in settings.lines.items()},
                    demonstration_model=wiring.recognises_only_synthetic_speech,
                )
            )
            await stop.wait()
            err.print("  stopping …", style="dim")
    finally:
        directory.close()


@app.command()
def migrate(config: ConfigFile = None) -> None:
    """Bring the database's schema up to date (a node does this at start as well)."""
    settings = settings_from(config)
    directory = DataDirectory.open(settings.node.data_dir)

    async def work() -> str:
        engine = open_engine(settings.database.url or directory.database_url)
        try:
            return await migrate_database(engine)
        finally:
            await engine.dispose()

    try:
        out.print(f"database schema: revision {asyncio.run(work())}")
    finally:
        directory.close()
