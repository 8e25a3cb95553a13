"""The button Authorize of /docs gets a token from the development issuer, without internet, in a real browser."""

from pathlib import Path

import pytest

from app.main import create_app
from tests.databases import make_settings
from tests.serving import served
from tests.streams.browser import Page, browser
from tests.tokens import issuing

pytestmark = pytest.mark.needs_program("chromium", "apt-get install chromium")

LIST = "[...document.querySelectorAll('.opblock-get')].find(one => one.id.endsWith('list_orders'))"


async def click(page: Page, element: str) -> None:
    """Click on an element with the mouse once it is visible: only a real click may make a page open a window."""
    await page.until(f"{element} && true")
    await page.send("Runtime.evaluate", expression=f"{element}.click()", userGesture=True)


async def test_authorize_gets_a_token_with_every_scope_and_sends_it(committed_url: str, tmp_path: Path) -> None:
    async with issuing() as issuer:
        app = create_app(make_settings(committed_url, downstreams={"issuer": {"base_url": issuer}}))
        async with app.router.lifespan_context(app), served(app) as url, browser(tmp_path) as page:
            await page.open(f"{url}/docs")
            await click(page, "document.querySelector('.auth-wrapper .authorize')")
            await page.until("document.querySelectorAll('.modal-ux input[type=checkbox]').length")
            await page.evaluate(
                "document.querySelectorAll('.modal-ux input[type=checkbox]').forEach(box => box.click())"
            )
            await click(page, "document.querySelector('.modal-ux .auth-btn-wrapper .authorize')")
            await page.until("document.querySelector('.modal-ux')?.innerText.includes('Logout')")
            await click(page, "document.querySelector('.modal-ux .btn-done')")
            await click(page, f"{LIST}?.querySelector('button.opblock-summary-control')")
            await click(page, f"{LIST}?.querySelector('.try-out__btn')")
            await click(page, f"{LIST}?.querySelector('.execute')")
            status = await page.until(
                f"{LIST}.querySelector('.live-responses-table .response .response-col_status')?.innerText"
            )

    assert [one for one in page.complaints if "Security Policy" in one] == []
    assert status.split()[0] == "200"
