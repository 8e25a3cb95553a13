"""A real Chromium without a window, which a test tells what to do over the DevTools protocol."""

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
"""The longest wait for a condition in the page, in seconds, on a busy machine."""

OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--remote-debugging-port=0")


class Page:
    """A tab of the browser."""

    def __init__(self, talk: ClientConnection) -> None:
        self.complaints: list[str] = []
        self._talk = talk
        self._session: dict[str, str] = {}
        self._number = 0

    async def send(self, method: str, **parameters: object) -> Any:  # noqa: ANN401 - JSON
        """Send a command, and return the result; what the page complains of in the meantime is kept."""
        self._number += 1
        command = {"id": self._number, "method": method, "params": parameters, **self._session}
        await self._talk.send(json.dumps(command))
        while True:
            message = json.loads(await self._talk.recv())
            if message.get("id") == self._number:
                assert "error" not in message, message
                return message["result"]
            if message.get("method") in {"Runtime.exceptionThrown", "Log.entryAdded"}:
                self.complaints.append(json.dumps(message["params"]))

    async def open(self, url: str) -> None:
        """Open a new tab with this address."""
        target = await self.send("Target.createTarget", url="about:blank")
        attached = await self.send("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        self._session = {"sessionId": attached["sessionId"]}
        for domain in ("Runtime", "Log", "Page"):
            await self.send(f"{domain}.enable")
        await self.send("Page.navigate", url=url)

    async def evaluate(self, script: str) -> Any:  # noqa: ANN401 - JSON
        """Return the value of an expression in the page, None where it raises."""
        answer = await self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        return answer["result"].get("value")

    async def until(self, script: str) -> Any:  # noqa: ANN401 - JSON
        """Wait until an expression in the page is true, and return the value."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (found := await self.evaluate(script)):  # noqa: ASYNC110 - the browser sets no asyncio.Event
                await asyncio.sleep(0.05)
        return found


@asynccontextmanager
async def browser(folder: Path) -> AsyncGenerator[Page]:
    """Start Chromium with a profile in this folder, and end it after the block."""
    program, port = find("chromium") or "", folder / "DevToolsActivePort"
    command = [program, *OPTIONS, f"--user-data-dir={folder}", "about:blank"]
    chromium = await asyncio.create_subprocess_exec(*command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (port.exists() and "\n" in port.read_text("ascii")):  # noqa: ASYNC110 - nor does Chromium
                await asyncio.sleep(0.05)
        number, path = port.read_text("ascii").split("\n")[:2]
        async with connect(f"ws://127.0.0.1:{number}{path}", max_size=None) as talk:
            yield Page(talk)
    finally:
        chromium.terminate()
        await chromium.wait()
