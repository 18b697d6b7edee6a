"""The command line: ``python -m hotline run | migrate | doctor | call | demo | …``."""

import asyncio
import json
import os
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError

from calls.reporting.figures import Reporter
from calls.reporting.page import to_page
from calls.reporting.period import Period, PeriodError
from calls.reporting.report import Report
from calls.reporting.tables import title, to_csv, to_xlsx
from config.errors import ConfigError
from config.settings import Settings, load
from hotline import log
from hotline.banner import banner
from hotline.children import ChildFailed
from hotline.cli_recording import app as recording_app
from hotline.database import migrate as migrate_database
from hotline.database import open_engine
from hotline.demo import COMPLAINT, DemoFailed, demonstrate
from hotline.doctor import diagnose
from hotline.embedded import DataDirectory, DataDirectoryBusy, MissingProgram, advertised_host
from hotline.ladder import NoLadder, ladder_of
from hotline.partner_command import manner_of, play
from hotline.seed import Credentials, read_credentials
from hotline.softphone import CallFailed, SoftPhone
from hotline.wav import WavError, read_wav
from hotline.wiring import Wiring
from telephony.media.g711 import RATE, Pcm
from tickets.help.knowledge import BadKnowledge, Entry, Expert, read_folder
from tickets.help.knowledge_base import Imported, KnowledgeBase

app = typer.Typer(
    help="The city hotline's contact centre.", no_args_is_help=True, add_completion=False
)
app.add_typer(recording_app, name="recording")
err = Console(stderr=True)
out = Console()

REPORT_WRITERS: Mapping[str, Callable[[Report], bytes]] = {
    ".json": lambda made: json.dumps(made.to_dict(), ensure_ascii=False, indent=2).encode(),
    ".csv": to_csv,
    ".xlsx": to_xlsx,
    ".html": to_page,
}

_AFTER_WORDS_SECONDS = 2.5
_LAST_PORT = 65535

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
    except ConfigError as error:
        err.print(str(error), style="red", markup=False, highlight=False)
        raise typer.Exit(2) from None
    except (DataDirectoryBusy, MissingProgram, ChildFailed, SQLAlchemyError, OSError) as error:
        err.print(f"The node did not start: {_explained(error)}", style="red", markup=False)
        raise typer.Exit(1) from None


def _explained(error: Exception) -> str:
    """Return what failed, where that is known, and why, in one line."""
    why = str(error).partition("\n")[0] or type(error).__name__
    return ": ".join((*reversed(getattr(error, "__notes__", ())), why))  # the widest first


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
def ladder(
    call_id: Annotated[str, typer.Argument(help="The call's number.")],
    config: ConfigFile = None,
    user: Annotated[
        str | None, typer.Option(envvar="HOTLINE_ADMIN", help="An administrator's number.")
    ] = None,
    password: Annotated[
        str | None, typer.Option(envvar="HOTLINE_ADMIN_PASSWORD", help="His password.")
    ] = None,
) -> None:
    """Draw a call's SIP messages: from the running node, or in short from the record."""
    settings = settings_from(config)
    try:
        drawn = asyncio.run(ladder_of(settings, call_id, user=user, password=password))
    except (NoLadder, SQLAlchemyError, OSError) as error:
        err.print(f"No ladder: {_explained(error)}", style="red", markup=False)
        raise typer.Exit(1) from None
    out.print(drawn, markup=False, highlight=False, soft_wrap=True)


@app.command()
def knowledge(
    folder: Annotated[Path, typer.Argument(help="Markdown files with front matter, experts.toml")],
    config: ConfigFile = None,
) -> None:
    """Make a folder's entries the knowledge base; what is missing there is retired."""
    settings = settings_from(config)
    url = settings.database.url or DataDirectory.database_url_in(settings.node.data_dir)
    try:
        entries, experts = read_folder(folder)
        done = asyncio.run(_import(url, entries, experts))
    except (BadKnowledge, SQLAlchemyError, OSError) as error:
        err.print(f"Not imported: {_explained(error)}", style="red", markup=False)
        raise typer.Exit(1) from None
    out.print(
        f"{len(done.added)} added, {len(done.changed)} changed, {len(done.retired)} retired, "
        f"{done.unchanged} unchanged"
    )


async def _import(url: str, entries: Sequence[Entry], experts: Sequence[Expert]) -> Imported:
    engine = open_engine(url)
    try:
        await migrate_database(engine)
        return await KnowledgeBase(engine).import_(entries, experts=experts, who="system")
    finally:
        await engine.dispose()


@app.command()
def report(
    period: Annotated[str, typer.Argument(help="2026-11-22, 2026-W47 or 2026-11")],
    out_file: Annotated[
        Path, typer.Option("--out", help="Where to; .json, .csv, .xlsx or .html says which format.")
    ],
    config: ConfigFile = None,
) -> None:
    """Write the report of a day, week or month from the database, without a running node."""
    settings = settings_from(config)
    write = REPORT_WRITERS.get(out_file.suffix)
    if write is None:
        known = ", ".join(REPORT_WRITERS)
        err.print(f"{out_file}: a report is one of {known}", style="red", markup=False)
        raise typer.Exit(2)
    url = settings.database.url or DataDirectory.database_url_in(settings.node.data_dir)
    lines = {number: line.name for number, line in settings.lines.items()}
    try:
        made = asyncio.run(_report(url, lines, Period.parse(period)))
        out_file.write_bytes(write(made))
    except (PeriodError, SQLAlchemyError, OSError) as error:
        err.print(f"No report: {_explained(error)}", style="red", markup=False)
        raise typer.Exit(1) from None
    out.print(f"{title(made.period)}: {out_file}")


async def _report(url: str, lines: Mapping[str, str], period: Period) -> Report:
    engine = open_engine(url)
    try:
        return await Reporter(engine, lines=lines).report(period)
    finally:
        await engine.dispose()


@app.command()
def migrate(config: ConfigFile = None) -> None:
    """Bring the database's schema up to date (a node does this at start as well)."""
    settings = settings_from(config)
    try:
        with closing(DataDirectory.open(settings.node.data_dir)) as directory:
            revision = asyncio.run(_migrate(settings.database.url or directory.database_url))
    except (DataDirectoryBusy, SQLAlchemyError, OSError) as error:
        err.print(f"Not migrated: {_explained(error)}", style="red", markup=False)
        raise typer.Exit(1) from None
    out.print(f"database schema: revision {revision}")


async def _migrate(url: str) -> str:
    engine = open_engine(url)
    try:
        return await migrate_database(engine)
    finally:
        await engine.dispose()


@app.command()
def doctor(
    config: ConfigFile = None,
    *,
    recordings: Annotated[
        bool, typer.Option("--recordings", help="Compare every recording with its checksum.")
    ] = False,
) -> None:
    """Check this machine and say what is missing and how to mend it."""
    findings = asyncio.run(diagnose(settings_from(config), recordings=recordings))
    table = Table(box=None, pad_edge=False)
    for column in ("", "what", "found", "to mend it"):
        table.add_column(column, overflow="fold")  # whole, to copy: an ellipsis mends nothing
    signs = {"ok": "[green]ok[/]", "warn": "[yellow]warn[/]", "bad": "[red]bad[/]"}
    for finding in findings:
        texts = (finding.what, finding.detail, finding.remedy or "")
        table.add_row(signs[finding.level], *map(escape, texts))
    out.print(table)
    if any(finding.level == "bad" for finding in findings):
        raise typer.Exit(1)


@app.command()
def call(
    wav: Annotated[
        Path,
        typer.Argument(
            help="What the caller says: mono, 16 bit, 8 or 16 kHz; default: a synthetic complaint."
        ),
    ] = COMPLAINT,
    *,
    caller: Annotated[str, typer.Option("--from", help="The caller's number.")] = "13862311001",
    number: Annotated[str, typer.Option("--to", help="The number dialled.")] = "12345",
    server: Annotated[
        str | None, typer.Option(help="HOST:PORT of the SIP side; default: the configured one.")
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Place a WAV file as a call: ring, wait for the answer, speak, hang up."""
    settings = settings_from(config)
    try:
        samples = read_wav(wav)
        address = _sip_address(settings, server)
        uvloop.run(_call(address, samples, caller=caller, number=number))
    except (WavError, CallFailed, ValueError, OSError) as error:
        err.print(f"{error}", style="red", markup=False)
        raise typer.Exit(1) from None


def _sip_address(settings: Settings, server: str | None) -> tuple[str, int]:
    if server is None:
        return advertised_host(settings.sip.host, settings.sip.advertised_host), settings.sip.port
    host, separator, port = server.rpartition(":")
    if not separator or not port.isdigit() or not 0 < int(port) <= _LAST_PORT:
        raise ValueError(f"--server {server}: wanted HOST:PORT")
    try:
        return socket.gethostbyname(host), int(port)
    except OSError as error:
        raise ValueError(f"--server {server}: {error.strerror or error}") from error


async def _call(address: tuple[str, int], samples: Pcm, *, caller: str, number: str) -> None:
    phone = SoftPhone(server=address)
    await phone.open()
    try:
        out.print(f"calling {number} at {address[0]}:{address[1]} as {caller}")
        placed = await phone.call(number, caller=caller)
        try:
            await placed.answered
            out.print(f"answered; speaking {len(samples) / RATE:.1f} s")
            placed.voice.say(samples)
            said = asyncio.ensure_future(placed.voice.until_said())
            ended = asyncio.ensure_future(placed.ended.wait())
            await asyncio.wait({said, ended}, return_when=asyncio.FIRST_COMPLETED)
            if not placed.ended.is_set():
                # The recogniser needs a pause to know that the sentence is over.
                await asyncio.wait({ended}, timeout=_AFTER_WORDS_SECONDS)
            out.print("the agent hung up" if placed.ended.is_set() else "said; hanging up")
            said.cancel()
            ended.cancel()
        finally:
            placed.hang_up()
            await placed.finished()
        out.print(f"heard {placed.voice.packets_heard} packets from the agent")
    finally:
        await phone.close()


@app.command()
def partner(
    name: Annotated[str, typer.Argument(help="Whom to play, as in the directory: 110.")],
    *,
    tickets: Annotated[
        str, typer.Option(help="What to do with tickets that come: accept, return or ask.")
    ] = "accept",
    host: Annotated[str, typer.Option(help="The telephone's own address.")] = "127.0.0.110",
    port: Annotated[int, typer.Option(help="Its SIP port.")] = 5062,
    server: Annotated[str | None, typer.Option(help="HOST:PORT of the hotline's SIP.")] = None,
    broker: Annotated[str | None, typer.Option(help="HOST:PORT of the MQTT broker.")] = None,
    config: ConfigFile = None,
) -> None:
    """Play a partner: a telephone that answers and calls, and his end of the ticket exchange."""
    settings = settings_from(config)
    try:
        uvloop.run(
            play(
                settings,
                name,
                out,
                server=_sip_address(settings, server) if server else None,
                broker=_sip_address(settings, broker) if broker else None,
                host=host,
                port=port,
                manner=manner_of(tickets),
            )
        )
    except (ValueError, OSError) as error:
        err.print(f"{error}", style="red", markup=False)
        raise typer.Exit(1) from None


@app.command()
def demo(
    wav: Annotated[
        Path, typer.Argument(help="What the citizen says; default: a synthetic complaint.")
    ] = COMPLAINT,
    *,
    agent: Annotated[str | None, typer.Option(help="The agent who answers.")] = None,
    caller: Annotated[str, typer.Option("--from", help="The citizen's number.")] = "13862311001",
    config: ConfigFile = None,
) -> None:
    """Play a citizen's call and an agent's phone against the running node, and show it live."""
    settings = settings_from(config)
    try:
        uvloop.run(
            demonstrate(
                out,
                web=f"http://{advertised_host(settings.web.host, None)}:{settings.web.port}",
                sip=_sip_address(settings, None),
                agent=_demo_agent(settings, agent),
                complaint=wav,
                caller=caller,
                line=next(iter(settings.lines)),
            )
        )
    except (DemoFailed, WavError, OSError) as error:
        err.print(f"{error}", style="red", markup=False)
        raise typer.Exit(1) from None


def _demo_agent(settings: Settings, agent_id: str | None) -> Credentials:
    """Return the agent asked for, or the last one: the first ones are for people who try it."""
    known = [entry for entry in read_credentials(settings.node.data_dir) if entry.role == "agent"]
    chosen = [entry for entry in known if agent_id in {None, entry.agent_id}]
    if not chosen:
        raise DemoFailed(
            f"no ready-made agent {agent_id or ''} in {settings.node.data_dir}:"
            " start the node with `make run` first"
        )
    return chosen[-1]
