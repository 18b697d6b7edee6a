"""The pages: desktop, wall board, team, administration, API; as they lie in ``static/``.

No build step, no inline script or style, nothing from another host (JsSIP lies in ``vendor/``), so
the content security policy can be the strictest useful one.
"""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

STATIC = Path(__file__).parent / "static"

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}

PAGES: Mapping[str, str] = {
    "/": "index.html",
    "/wall": "wall.html",
    "/team": "team.html",
    "/admin": "admin.html",
    "/api/docs": "docs.html",
}
"""Path → file. The pages hold no data; what they show they ask the API for."""


def install(app: FastAPI) -> None:
    """Add the pages and what lies in ``static/`` to the app."""
    for path, name in PAGES.items():
        app.add_api_route(path, _page(STATIC / name), include_in_schema=False)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")


def _page(file: Path) -> Callable[[], Awaitable[FileResponse]]:
    async def serve() -> FileResponse:
        return FileResponse(file)

    return serve


class ProtectiveHeaders:
    """Adds the security headers to every answer, and keeps personal data out of caches.

    Pages and scripts are revalidated each time (an ETag makes that cheap), so an upgraded node is
    never used with yesterday's desktop; answers of the API are not stored at all.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; add headers to the answer's start."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        cache = "no-store" if scope["path"].startswith("/api/v1/") else "no-cache"

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers["Cache-Control"] = cache
            await send(message)

        await self._app(scope, receive, send_with_headers)
