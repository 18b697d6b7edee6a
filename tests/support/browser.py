"""Debian's Chromium, driven headless; nothing leaves the machine."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.async_api import Browser, ConsoleMessage, Error, Page, async_playwright, expect

CHROMIUM = "/usr/bin/chromium"
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_HEADSET = [
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
]
_SAID_BY = "--use-file-for-fake-audio-capture"
PATIENCE = 30.0
"""Seconds that a page may take to show what is expected of it: a busy machine's, not a page's."""
SMALLEST_SCREEN = (1366, 768)


@dataclass
class Window:
    """A page in a browser context of its own, and what went wrong in it.

    Attributes:
        page: the page.
        errors: uncaught exceptions and console errors (blocked scripts among them); answers with
            an error status and connections refused are left out, for tests provoke those.
    """

    page: Page
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("pageerror", self._on_page_error)
        self.page.on("console", self._on_console)

    def _on_page_error(self, error: Error) -> None:
        self.errors.append(str(error))

    def _on_console(self, message: ConsoleMessage) -> None:
        provoked = message.text.startswith(("Failed to load resource", "WebSocket connection to"))
        if message.type == "error" and not provoked:
            self.errors.append(message.text)


@asynccontextmanager
async def chromium(*, microphone: Path | None = None) -> AsyncIterator[Browser]:
    """Run a browser; its microphone, which no page need ask for, says what is in a WAV file."""
    expect.set_options(timeout=1000 * PATIENCE)
    flags = [*_FLAGS] if microphone is None else [*_FLAGS, *_HEADSET, f"{_SAID_BY}={microphone}"]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def window(
    browser: Browser, url: str, *, size: tuple[int, int] = SMALLEST_SCREEN, seconds: float = 5.0
) -> AsyncIterator[Window]:
    """Open a page of its own session; ``seconds`` is how long its actions may take."""
    context = await browser.new_context(
        viewport={"width": size[0], "height": size[1]}, locale="zh-CN", timezone_id="Asia/Shanghai"
    )
    context.set_default_timeout(1000 * seconds)
    try:
        opened = Window(await context.new_page())
        await opened.page.goto(url)
        yield opened
    finally:
        await context.close()
