"""The page of the console in a real browser: a user flips switches, sees refusals, and sees the service recover."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from devtools import postgres
from devtools.ports import free_port
from devtools.probe import posts, probe
from devtools.tests.server_users import PROJECT, soon
from tests.streams.browser import Page, browser

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="takes a signal to end"),
    pytest.mark.needs_program("chromium", "apt-get install chromium"),
]

TARGET = "/api/v1/orders/1/total?currency=EUR"
CARD = "[...document.querySelectorAll('article')].find(card => card.innerText.startsWith('{}'))"
RATES = CARD.format("bulkhead downstreams.rates")
BREAKER = CARD.format("breaker rates")


@contextmanager
def running(url: str, log: Path) -> Iterator[str]:
    """Start the development runner on a database, and yield the address of the service."""
    base = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "devtools.run", "--port", base.rpartition(":")[2]]
    variables = os.environ | {"DATABASE_URL": url, "LOG_LEVEL": "error"}
    with (
        log.open("wb") as output,
        subprocess.Popen(command, cwd=PROJECT, env=variables, stdout=output, stderr=output) as process,
    ):
        try:
            assert soon(lambda: b"Ctrl-C stops everything." in log.read_bytes()), log.read_text("utf-8")
            assert f"console {base}/_console/\n" in log.read_text("utf-8")
            yield base
        finally:
            process.terminate()


def switch(name: str, state: str) -> str:
    """Return the JavaScript expression for the button that sets a switch to a state."""
    return f"[...document.querySelectorAll('[data-name=\"{name}\"] button')].find(one => one.innerText == '{state}')"


async def flip(page: Page, name: str, state: str) -> None:
    """Press a button of a console switch by the keyboard, and wait until the page shows the new state."""
    button = switch(name, state)
    await page.until(f"{button} != null")
    await page.evaluate(f"{button}.focus()")
    for kind in ("keyDown", "keyUp"):
        key = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}
        await page.send("Input.dispatchKeyEvent", type=kind, **(key if kind == "keyDown" else {**key, "text": ""}))
    await page.until(f"{button}.getAttribute('aria-pressed') == 'true'")


async def send_load(page: Page) -> None:
    """Wait until the last load has ended, then start a load by the form of the console's page."""
    await page.until("!/^([1-9]|[0-9]{2}) of/.test(find('summary').textContent)")
    await page.evaluate(f"find('load').elements.path.value = '{TARGET}'; find('load').requestSubmit()")


async def falls_over_sideways(page: Page) -> list[int]:
    """Return the window widths, in pixels, at which the page overflows sideways."""
    wide = []
    for width in (390, 800, 1600):
        await page.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False
        )
        if await page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wide.append(width)
    return wide


async def backgrounds(page: Page) -> list[str]:
    """Return the page's background colours under the light and under the dark colour scheme."""
    found = []
    for scheme in ("light", "dark"):
        await page.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        found.append(await page.evaluate("getComputedStyle(document.body).backgroundColor"))
    return found


def place_order(base: str) -> None:
    _, document = probe(base, "/openapi.json")
    path, example = next(posts(json.loads(document)))
    assert probe(base, path, example, {"Content-Type": "application/json"})[0] == 201


async def test_a_person_flips_switches_and_sees_the_service_recover(folder: Path, tmp_path: Path) -> None:
    with postgres.server(folder, durable=True) as url, running(url, tmp_path / "run.log") as base:
        place_order(base)
        async with browser(tmp_path / "browser") as page:
            await page.open(f"{base}/_console/")
            await page.until("find('connection').textContent == 'connected' && find('ready').textContent == 'ready'")
            await a_hanging_downstream(page)
            await a_locked_table(page, base)
            await a_stopped_database(page, base)
            await markup_in_a_path(page, base)

            assert await falls_over_sideways(page) == []
            assert await backgrounds(page) == ["rgb(246, 248, 250)", "rgb(13, 17, 23)"]
            assert await page.evaluate("[...document.querySelectorAll('#links a')].map(a => a.pathname)") == [
                *("/", "/dev/jobs", "/docs")
            ]
            assert page.complaints == []
            await a_reload(page)
            assert "graceful shutdown exceeded" not in (tmp_path / "run.log").read_text("utf-8")


async def a_hanging_downstream(page: Page) -> None:
    """When a downstream hangs, its bulkhead fills and callers get 503; after the fault, callers get 200 again."""
    await flip(page, "stub rates", "hang")
    await send_load(page)
    await page.until(f"{RATES}.className == 'full'")
    await page.until("/ x 503/.test(find('summary').textContent)")
    await page.until("[...find('requests').rows].some(row => row.cells[1].innerText == '503')")
    await flip(page, "stub rates", "off")
    await page.until(f"/^100 of/.test(find('summary').textContent) && {RATES}.className != 'full'")
    await send_load(page)
    await page.until("/: [0-9]+ x 200/.test(find('summary').textContent)")
    await page.until(f"{BREAKER}.innerText.includes('closed')")


async def a_locked_table(page: Page, base: str) -> None:
    """A read of a locked table is refused after the lock timeout, and answered once the lock is released."""
    await flip(page, "locked table", "orders")
    locked = probe(base, "/api/v1/orders/1", seconds=30)[0]
    await flip(page, "locked table", "none")

    assert (locked, probe(base, "/api/v1/orders/1", seconds=30)[0]) == (503, 200)


async def a_stopped_database(page: Page, base: str) -> None:
    """Without the database the service is not ready; with the database again, it recovers without a restart."""
    await flip(page, "database", "stopped")
    await page.until("find('ready').className == 'bad'")
    stopped = probe(base, "/api/v1/orders/1", seconds=30)[0]
    await flip(page, "database", "running")
    await page.until("find('ready').className == 'good'")

    assert (stopped, probe(base, "/api/v1/orders/1", seconds=30)[0]) == (503, 200)


async def markup_in_a_path(page: Page, base: str) -> None:
    """The console shows a request path that contains HTML markup as plain text."""
    probe(base, "/%3Cimg%20src=x%20onerror=alert(1)%3E")
    await page.until("find('requests').textContent.includes('/<img src=x onerror=alert(1)>')")

    assert await page.evaluate("document.images.length") == 0


async def a_reload(page: Page) -> None:
    """The console's page reconnects after the server has reloaded its code; the page's stream delays no reload."""
    boot = await page.evaluate("boot")
    (PROJECT / "app/__init__.py").touch()
    await page.until(f"boot != '{boot}' && find('connection').textContent == 'connected'")
    await page.until("find('requests').rows.length == 0")
