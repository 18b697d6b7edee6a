"""The recogniser process: ``python -m asr --socket PATH`` (see asr/process.py)."""

import argparse
import asyncio
import logging
import signal
import sys
from pathlib import Path

import structlog

from asr import model
from asr.ports import Recognizer
from asr.process import RecogniserProcess
from asr.scripted import ScriptedRecognizer
from asr.transcriber import BACKLOG


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m asr", description=__doc__)
    parser.add_argument("--socket", type=Path, required=True, help="the control socket to make")
    parser.add_argument("--engine", choices=("vosk", "scripted"), default="vosk")
    parser.add_argument(
        "--model",
        type=Path,
        help="the model's folder; left out: VOSK_MODEL_PATH, then var/models",
    )
    parser.add_argument(
        "--script", type=Path, help="what the scripted engine hears: a UTF-8 file, a line each"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address of the streams' UDP ports")
    parser.add_argument("--threads", type=int, help="decoders at once; left out: one for each core")
    parser.add_argument(
        "--backlog",
        type=float,
        default=BACKLOG,
        help="seconds of a stream's audio that may wait for the engine; more goes unheard",
    )
    parser.add_argument(
        "--log-level", default="info", choices=("debug", "info", "warning", "error")
    )
    options = parser.parse_args()
    if options.engine == "scripted" and options.script is None:
        parser.error("--engine scripted needs --script")
    return options


def _load(options: argparse.Namespace) -> Recognizer:
    if options.engine == "scripted":
        lines = options.script.read_text(encoding="utf-8").splitlines()
        return ScriptedRecognizer([line for line in lines if line])
    path = model.find(options.model)
    # Imported here: libvosk is 20 MB, and a process without a model must come up at once.
    from asr.vosk_engine import VoskRecognizer  # noqa: PLC0415

    return VoskRecognizer.load(path, threads=options.threads)


def _note(options: argparse.Namespace) -> str | None:
    if options.engine == "vosk" and model.is_synthetic(model.find(options.model)):
        return "demonstration model: understands synthetic speech only, not people"
    return None


async def _run(options: argparse.Namespace) -> None:
    process = RecogniserProcess(
        load=lambda: _load(options),
        host=options.host,
        backlog=options.backlog,
        note=lambda: _note(options),
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
        asyncio.run(_run(options))
    except OSError as error:
        sys.stderr.write(f"{options.socket}: {error.strerror or error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
