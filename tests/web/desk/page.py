"""What an agent does on the page, and what he sees there."""

from playwright.async_api import Page, expect

from tests.web.fake_people import PASSWORD


async def sign_in(page: Page, password: str = PASSWORD, agent_id: str = "1001") -> None:
    await page.get_by_test_id("agent-id").fill(agent_id)
    await page.get_by_test_id("password").fill(password)
    await page.get_by_test_id("sign-in").click()


async def ready(page: Page) -> None:
    await sign_in(page)
    await page.get_by_test_id("ready").click()
    await expect(page.get_by_test_id("state-name")).to_have_text("示闲")


async def value(page: Page, name: str, expected: str) -> None:
    await expect(page.get_by_test_id(f"field-{name}")).to_have_value(expected)


async def source(page: Page, name: str, expected: str) -> None:
    await expect(page.get_by_test_id(f"source-{name}")).to_have_text(expected)
