"""axe-core's judgement of a page."""

from pathlib import Path

from playwright.async_api import Page

AXE = Path(__file__).parents[1] / "assets" / "axe"
_FINDINGS = """async () => (await axe.run()).violations
  .filter(({ impact }) => ["serious", "critical"].includes(impact))
  .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(" | ")}`)"""


async def findings(page: Page) -> list[str]:
    """What axe-core finds serious; it is run past the content security policy, as a debugger is."""
    await page.evaluate((AXE / "axe.min.js").read_text())
    found: list[str] = await page.evaluate(_FINDINGS)
    return found
