"""The recogniser process: ``python -m asr --socket PATH`` (see asr/process.py)."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

import structlog
import uvloop

from asr import model
from asr.pool.recognizer import PooledRecognizer
from asr.pool.workers import PoolLimits
from asr.ports import RecognizerError
from asr.process import Loaded, RecogniserProcess
from asr.remote.funasr import FunAsrRecognizer
from asr.remote.vosk_server import VoskServerRecognizer
from asr.scripted import ScriptedRecognizer
from asr.transcriber import Listening
from asr.vad import VoiceTimes

ENGINES = ("vosk", "vosk-server", "funasr", "scripted")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m asr", description=__doc__)
    add = parser.add_argument
    add("--socket", type=Path, required=True, help="the control socket to make")
    add("--engine", choices=ENGINES, default="vosk")
    add("--model", type=Path, help="vosk: its folder; left out: VOSK_MODEL_PATH, var/models")
    add("--url", help="vosk-server, funasr: where the server is, ws://… or wss://…")
    add("--rate", type=int, choices=(8000, 16000), default=8000, help="vosk-server: its model's")
    add("--script", type=Path, help="scripted: what is heard, a UTF-8 file, a line each")
    add("--phrases", type=Path, help="names that may be said, a UTF-8 file, a line each")
    add("--only-phrases", action="store_true", help="vosk, vosk-server: nothing else can be heard")
    add("--host", default="127.0.0.1", help="address of the streams' UDP ports")
    add("--processes", type=int, default=os.cpu_count() or 1, help="vosk: worker processes")
    add("--threads", type=int, default=1, help="vosk: decoders at once in each of them")
    add(
        "--memory-mb",
        type=float,
        default=1000.0,
        help="own memory of a worker to be replaced",
    )
    add("--watchdog", type=float, default=15.0, help="seconds until a worker is taken to hang")
    add("--recycle", type=float, default=600.0, help="seconds of audio that a decoder is used for")
    add("--no-vad", action="store_true", help="give the engine silence too")
    add(
        "--pre-roll",
        type=float,
        default=0.3,
        help="seconds before the voice that are heard",
    )
    add("--hang-over", type=float, default=0.16, help="seconds of silence that end an utterance")
    add("--aggressiveness", type=int, choices=range(4), default=2, help="webrtcvad's mode")
    add("--backlog", type=float, default=8.0, help="seconds of audio that may wait for the engine")
    add("--lag-budget", type=float, default=1.0, help="seconds of lag before streams are given up")
    add("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    options = parser.parse_args()
    if options.engine == "scripted" and options.script is None:
        parser.error("--engine scripted needs --script")
    if options.engine in {"vosk-server", "funasr"} and not options.url:
        parser.error(f"--engine {options.engine} needs --url")
    return options


async def _load(options: argparse.Namespace) -> Loaded:
    """Make the engine. Raises RecognizerError: it cannot be had now."""
    match options.engine:
        case "scripted":
            return Loaded(ScriptedRecognizer(_lines(options.script)))
        case "vosk-server":
            closed = _phrases(options) if options.only_phrases else ()
            server = VoskServerRecognizer(options.url, rate=options.rate, phrases=closed)
            await server.check()
            return Loaded(server)
        case "funasr":
            funasr = FunAsrRecognizer(options.url, phrases=_phrases(options))
            await funasr.check()
            return Loaded(funasr)
    path = await asyncio.to_thread(model.find, options.model)
    limits = PoolLimits(
        processes=options.processes,
        threads=options.threads,
        memory_mb=options.memory_mb,
        watchdog=options.watchdog,
        recycle=options.recycle,
    )
    phrases = options.phrases if options.only_phrases else None
    pool = await PooledRecognizer.load(path, limits, phrases=phrases)
    synthetic = "demonstration model: understands synthetic speech only, not people"
    note = synthetic if model.is_synthetic(path) else None
    return Loaded(pool, note, lambda: pool.workers.pids, pool.workers.figures)


def _phrases(options: argparse.Namespace) -> tuple[str, ...]:
    return _lines(options.phrases) if options.phrases is not None else ()


def _lines(path: Path) -> tuple[str, ...]:
    """Return the lines of a file that are not empty. Raises RecognizerError."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecognizerError(f"cannot read {path}: {error}") from error
    return tuple(line.strip() for line in text.splitlines() if line.strip())


async def _run(options: argparse.Namespace) -> None:
    voice = VoiceTimes(options.pre_roll, options.hang_over, options.aggressiveness)
    process = RecogniserProcess(
        load=lambda: _load(options),
        host=options.host,
        listening=Listening(None if options.no_vad else voice, options.backlog),
        lag_budget=options.lag_budget,
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, process.stop)
    await process.run(options.socket)


def main() -> int:
    """Run until the control connection closes; return the exit status."""
    options = _arguments()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[options.log_level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    try:
        uvloop.run(_run(options))
    except OSError as error:
        sys.stderr.write(f"{options.socket}: {error.strerror or error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
