"""uvicorn inside the node's own loop."""

import asyncio
import socket
from collections.abc import Generator
from contextlib import contextmanager

import structlog
import uvicorn
from fastapi import FastAPI

log = structlog.get_logger(__name__)

_BACKLOG = 256
_LAST_REQUESTS_SECONDS = 3
_CLIENT_MESSAGE_BYTES = 81_920  # a SIP message of a page's phone; the feed takes nothing in


class _Server(uvicorn.Server):
    """uvicorn's server; signals are the node's business, and its start can be awaited."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave the signal handlers alone."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept, and say so."""
        await super().startup(sockets)
        self.listening.set()


class WebServer:
    """Serves the app over HTTP and WebSocket.

    Args:
        app: what ``create_app`` returned.
    """

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None
        self.address: tuple[str, int] | None = None

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Listen, and return the address; with port 0 the system chooses one.

        Raises:
            OSError: the address cannot be listened on.
        """
        listener = self._listener(host, port)
        config = uvicorn.Config(
            self._app,
            ws="websockets-sansio",
            ws_max_size=_CLIENT_MESSAGE_BYTES,
            lifespan="on",
            access_log=False,  # nor the info level: the feed's ?token= does not belong in a log
            log_config=None,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=_LAST_REQUESTS_SECONDS,
        )
        self._server = _Server(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[listener]), name="web")
        started = asyncio.create_task(self._server.listening.wait())
        await asyncio.wait({self._task, started}, return_when=asyncio.FIRST_COMPLETED)
        if not started.done():
            started.cancel()
            self._task.result()
            raise OSError(f"the web server did not start on {host}:{port}")
        self.address = listener.getsockname()[:2]
        log.info("web_listening", host=self.address[0], port=self.address[1])
        return self.address

    async def close(self) -> None:
        """Stop accepting, let requests finish (3 s at most), close the feeds."""
        if self._server is None or self._task is None:
            return
        self._server.should_exit = True
        await self._task
        self._server = self._task = self.address = None

    @staticmethod
    def _listener(host: str, port: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
