"""A real headless Chromium, which a test controls over the DevTools protocol."""

import asyncio
import json
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from tests.programs import find

PATIENCE_SECONDS = 60
"""The longest wait for the browser or for a condition in the page, in seconds, on a busy machine."""

OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-port=0")


class Page:
    """A tab of a headless Chromium, which a test controls by DevTools commands."""

    def __init__(self, talk: ClientConnection) -> None:
        self.complaints: list[str] = []
        self._talk = talk
        self._session: dict[str, str] = {}
        self._number = 0

    async def send(self, method: str, **parameters: object) -> Any:  # noqa: ANN401 - Any stands for JSON values
        """Send a DevTools command, and return the result; errors that the page reports meanwhile are kept."""
        self._number += 1
        command = {"id": self._number, "method": method, "params": parameters, **self._session}
        await self._talk.send(json.dumps(command))
        while True:
            message = json.loads(await asyncio.wait_for(self._talk.recv(), PATIENCE_SECONDS))
            if message.get("id") == self._number:
                assert "error" not in message, message
                return message["result"]
            if message.get("method") in {"Runtime.exceptionThrown", "Log.entryAdded"}:
                self.complaints.append(json.dumps(message["params"]))

    async def open(self, url: str) -> None:
        """Open a URL in a new tab."""
        target = await self.send("Target.createTarget", url="about:blank")
        attached = await self.send("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = {"sessionId": attached["sessionId"]}
        for domain in ("Runtime", "Log", "Page"):
            await self.send(f"{domain}.enable")
        await self.send("Page.navigate", url=url)

    async def evaluate(self, script: str) -> Any:  # noqa: ANN401 - Any stands for JSON values
        """Return the value of a JavaScript expression in the page, or None for an expression that raises."""
        answer = await self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        return answer["result"].get("value")

    async def until(self, script: str) -> Any:  # noqa: ANN401 - Any stands for JSON values
        """Wait until a JavaScript expression in the page is true, and return its value."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (found := await self.evaluate(script)):  # noqa: ASYNC110 - polls: the browser sets no asyncio.Event
                await asyncio.sleep(0.05)
        return found


@asynccontextmanager
async def browser(folder: Path) -> AsyncGenerator[Page]:
    """Start Chromium with its profile in this folder, and stop it after the block."""
    program, port = find("chromium") or "", folder / "DevToolsActivePort"
    command = [program, *OPTIONS, f"--user-data-dir={folder}", "about:blank"]
    chromium = await asyncio.create_subprocess_exec(*command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (port.exists() and "\n" in port.read_text("ascii")):  # noqa: ASYNC110 - polls: Chromium sets no asyncio.Event
                await asyncio.sleep(0.05)
        number, path = port.read_text("ascii").split("\n")[:2]
        async with connect(f"ws://127.0.0.1:{number}{path}", max_size=None) as talk:
            yield Page(talk)
    finally:
        chromium.terminate()
        try:
            await asyncio.wait_for(chromium.wait(), PATIENCE_SECONDS)
        except TimeoutError:
            chromium.kill()
            await chromium.wait()
