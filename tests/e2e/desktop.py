"""An agent at the desktop in Chromium: what the page shows, and what its feed was sent."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from re import Pattern
from typing import Any

from playwright.async_api import Browser, Locator, WebSocket, expect

from tests.support.browser import Window, window
from tests.support.node import PASSWORD, RunningNode

#: How long the page may take to show something: a slow machine has a call to carry meanwhile.
SECONDS = 40.0
_MS = 1000 * SECONDS

_PARTIAL = """([side, characters]) => {
  const words = document.querySelector(`[data-testid=partial][data-leg=${side}] .words`);
  if ((words?.textContent.length ?? 0) < characters) return null;
  return [words.textContent, getComputedStyle(words).color];
}"""


class Desktop:
    """One agent's page.

    Attributes:
        page: the page.
        errors: what went wrong in it.
        events: everything that its feed received, in order.
    """

    def __init__(self, opened: Window) -> None:
        self.page = opened.page
        self.errors = opened.errors
        self.events: list[dict[str, Any]] = []
        self.page.on("websocket", self._on_socket)

    def part(self, name: str) -> Locator:
        """Return an element by its test id."""
        return self.page.get_by_test_id(name)

    async def press(self, name: str) -> None:
        """Press a button once it can be pressed."""
        await self.part(name).click()

    async def write(self, field: str, value: str) -> None:
        """Type a field's value and leave the field; return when it has been stored."""
        control = self.part(f"field-{field}")
        await control.fill(value)
        await control.blur()
        await self.shows("save-state", "已保存")

    async def shows(self, name: str, text: str | Pattern[str]) -> None:
        """Wait for an element to have a text."""
        await expect(self.part(name)).to_have_text(text, timeout=_MS)

    async def mentions(self, name: str, text: str | Pattern[str]) -> None:
        """Wait for an element whose text contains another."""
        await expect(self.part(name)).to_contain_text(text, timeout=_MS)

    async def holds(self, field: str, value: str | Pattern[str], source: str) -> None:
        """Wait for a field to have a value, and to say where that is from."""
        await expect(self.part(f"field-{field}")).to_have_value(value, timeout=_MS)
        await self.shows(f"source-{field}", source)

    async def said(self, side: str) -> str:
        """Return all that the transcript has of one side."""
        words = self.page.locator(f"[data-testid=utterance][data-leg={side}] .words")
        return "".join(await words.all_text_contents())

    async def partial(self, side: str, *, characters: int = 1) -> tuple[str, tuple[int, ...]]:
        """Return words of a side that are still being said, once there are so many; their colour.

        They change several times a second, so text and colour are read in one go.
        """
        found = await self.page.wait_for_function(_PARTIAL, arg=[side, characters])
        text, colour = await found.json_value()
        return text, tuple(map(int, re.findall(r"\d+", colour)))

    def _on_socket(self, socket: WebSocket) -> None:
        if not socket.url.endswith("/feed"):
            return  # its phone's
        socket.on("framereceived", lambda frame: self.events.append(json.loads(frame)))


@asynccontextmanager
async def at_desktop(browser: Browser, node: RunningNode, agent_id: str) -> AsyncIterator[Desktop]:
    """Sign an agent in on the node's page; nothing may have gone wrong in it by the end."""
    async with window(browser, f"{node.web}/", seconds=SECONDS) as opened:
        desktop = Desktop(opened)
        await desktop.part("agent-id").fill(agent_id)
        await desktop.part("password").fill(PASSWORD)
        await desktop.press("sign-in")
        await desktop.mentions("agent-name", agent_id)
        yield desktop
        assert desktop.errors == []
