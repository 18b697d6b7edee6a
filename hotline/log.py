"""The program's log: structlog for ours, the same format for the libraries' own logging."""

import logging
import sys
from typing import Literal

import structlog

#: Libraries whose information is ours to give; from them only warnings are wanted.
_CHATTY = ("aiosqlite", "httpx", "alembic", "amqtt", "transitions", "uvicorn", "websockets", "mqtt")

#: Libraries that warn of what strangers send, so that a stranger could fill the disk; the SIP
#: endpoint counts the same instead.
_ECHOES_STRANGERS = ("aiosipua",)


def set_up(level: str, form: Literal["console", "json"]) -> None:
    """Write entries of ``level`` and above to standard error, for people or for machines."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: structlog.types.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                last,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in _ECHOES_STRANGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
