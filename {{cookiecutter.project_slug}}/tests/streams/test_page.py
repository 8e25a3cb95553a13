"""In a real browser, the development page for jobs shows, cancels and retries jobs, and survives a service restart."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import asyncpg
import pytest

from devtools.ports import free_port
from tests.databases import ROOT
from tests.server.processes import Service, gunicorn
from tests.streams.browser import Page, browser  # {%- if cookiecutter.auth == "jwt" +%}
from tests.tokens import issuing  # {%- endif +%}

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows"),
    pytest.mark.needs_program("chromium", "apt-get install chromium"),
]

ROWS = (
    "[...document.querySelectorAll('#list article')]"
    ".filter(row => row.querySelector('code').textContent == 'orders.import')"
)
NEWEST = f"{ROWS}[0]"
"""JavaScript for the row of the newest import in the page's list of jobs. The filter leaves out the second job that
each import enqueues, which sends a confirmation."""


OBSERVE = f"""
    seen = new Set();
    look = () => seen.add({NEWEST}.querySelector('progress').value);
    new MutationObserver(look).observe({NEWEST}, Object.fromEntries(
        ['attributes', 'subtree', 'childList'].map(kind => [kind, true])));
"""
"""JavaScript that records each value of the progress bar."""

BARS_WITHOUT_TOTAL = (
    "[...document.querySelectorAll('#list article')]"
    ".filter(row => !row.querySelector('span').textContent && !row.querySelector('progress').hidden).length"
)
"""JavaScript that counts visible progress bars of jobs without a total: an empty bar of an ended job looks stuck."""


@asynccontextmanager
async def issuer() -> AsyncGenerator[dict[str, str]]:
    """Run the issuer of access tokens, if the service has authentication, and yield the setting with its URL."""
    # {% if cookiecutter.auth == "jwt" %}
    async with issuing() as address:
        yield {"DOWNSTREAMS__ISSUER__BASE_URL": address}
    # {% else %}
    yield {}
    # {% endif %}


@contextmanager
def serving_at(port: int, url: str, settings: dict[str, str]) -> Iterator[Service]:
    with gunicorn(url, WEB_CONCURRENCY="1", PORT=f"{port}", **settings) as service:
        service.wait_for("Application startup complete.")
        yield service


@asynccontextmanager
async def working(url: str) -> AsyncGenerator[None]:
    """Run a job worker during the block."""
    variables = {"PATH": os.environ["PATH"], "DATABASE_URL": url, "ENVIRONMENT": "development", "LOG_LEVEL": "warning"}
    worker = await asyncio.create_subprocess_exec(sys.executable, "-m", "app.jobs", cwd=ROOT, env=variables)
    try:
        yield
    finally:
        worker.terminate()
        await asyncio.wait_for(worker.wait(), 60)


async def start_import(page: Page, orders: int) -> None:
    before = await page.evaluate(f"{ROWS}.length")
    await page.evaluate(f"document.forms[0].elements.count.value = {orders}; document.forms[0].requestSubmit()")
    await page.until(f"{ROWS}.length > {before}")


async def test_the_page_shows_jobs_as_they_change(committed_url: str, tmp_path: Path) -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}/dev/jobs"
    async with browser(tmp_path) as page, issuer() as settings:
        with serving_at(port, committed_url, settings):
            await page.open(address)
            await page.until("document.querySelector('#connection').textContent == 'connected'")
            await start_import(page, 10)
            await page.evaluate(f"{NEWEST}.querySelector('[name=cancel]').click()")
            cancelled = await page.until(f"{NEWEST}.dataset.complete && {NEWEST}.dataset.state")
            await start_import(page, 1000)
            await page.evaluate(OBSERVE)
            async with working(committed_url):
                done = await page.until(f"{NEWEST}.dataset.complete && {NEWEST}.dataset.state")
            steps = await page.evaluate("seen.size")
            shown = await page.evaluate(f"{NEWEST}.querySelector('span').textContent")
            unknown = await page.evaluate(BARS_WITHOUT_TOTAL)
            assert page.complaints == []
        await page.until("document.querySelector('#connection').textContent.startsWith('connection lost')")
        with serving_at(port, committed_url, settings):
            await page.until("document.querySelector('#connection').textContent == 'connected'")
            await start_import(page, 10)
            await kill_newest(committed_url)
            await page.until(f"{NEWEST}.dataset.state == 'dead'")
            await page.evaluate(f"{NEWEST}.querySelector('[name=retry]').click()")
            async with working(committed_url):
                retried = await page.until(f"{NEWEST}.dataset.state == 'succeeded' && {NEWEST}.dataset.state")

    assert (cancelled, done, shown, retried) == ("cancelled", "succeeded", "1000 of 1000", "succeeded")
    assert (steps > 2, unknown) == (True, 0), steps


async def kill_newest(url: str) -> None:
    connection = await asyncpg.connect(url)
    newest = "(SELECT id FROM jobs WHERE kind LIKE 'orders.import%' ORDER BY id DESC LIMIT 1)"
    await connection.execute(f"UPDATE jobs SET state = 'dead', finished_at = now() WHERE id = {newest}")  # noqa: S608
    await connection.close()
