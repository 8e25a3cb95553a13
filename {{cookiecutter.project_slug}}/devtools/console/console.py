"""The developer's console: a page about the running service below `/_console/`, and a middleware that records requests.

The console answers this machine only, because it shows SQL and stack traces, and can stop the database. A page of a
different site, open in a browser of this machine, cannot use the console, even under a host name that leads to
127.0.0.1.
"""

import asyncio
import json
import re
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, StreamingResponse
from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.types import Message, Receive, Scope, Send

from app.settings.service import Settings
from devtools.binaries import ServerError
from devtools.console.frame import gauges, route_rows, setting_rows, sources_of
from devtools.console.load import Load
from devtools.console.switches import Database, Switches
from devtools.console.watch import Watch, both, clock

PATH = "/_console"
FILES = {"": "page.html", "page.js": "page.js", "page.css": "page.css"}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
LOCAL_NAMES = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:\d+)?")
LOOPBACK, OF_PROXIES = {"127.0.0.1", "::1"}, {"forwarded", "x-forwarded-for", "x-real-ip"}
LINKS = {"/docs", "/dev/jobs"}
"""Development pages that the console links to; the service lacks a page that template answers or settings removed."""


def refusal(request: Request) -> str | None:
    """Return the reason why a request may not use the console; None for a request from a browser of this machine."""
    headers, client, host = request.headers, request.client, request.headers.get("host", "")
    if not client or client.host not in LOOPBACK or OF_PROXIES & {*headers}:
        return "The console answers on the machine of the service only, and not through a proxy."
    if not LOCAL_NAMES.fullmatch(host):
        return "The console answers to the names localhost, 127.0.0.1 and [::1] only."
    if request.method not in {"GET", "HEAD"} and headers.get("origin", f"http://{host}") != f"http://{host}":
        return "A page of a different site cannot use the console."
    return None


async def explain(_request: Request, error: Exception) -> Response:
    """Answer 409 with the reason when the console cannot switch a fault or start a load."""
    return PlainTextResponse(f"{type(error).__name__}: {error}", 409, HEADERS)


FAILURES = (ValueError, KeyError, TypeError, OSError, ServerError, asyncpg.PostgresError, asyncpg.InterfaceError)
EXPLAINED = dict.fromkeys(FAILURES, explain)
"""Errors of switching a fault or starting a load in the developer's console, whose page shows the error's text."""


class Console:
    """ASGI application: the service, and the developer's console below `PATH`."""

    def __init__(self, service: FastAPI, settings: Settings) -> None:
        self.service, self.settings, self.watch, self.load = service, settings, Watch(service), Load()
        url = (settings.database_direct_url or settings.database_url).get_secret_value()
        self.switches = Switches(Database(url), getattr(settings, "downstreams", ()))
        self._boot, self._stopping = clock(), asyncio.Event()
        files = (Route(f"/{name}", partial(self._file, file)) for name, file in FILES.items())
        own = Route("/frame", self._frame), Route("/events", self._events), Route("/flip", self._flip, methods=["POST"])
        self.pages = Starlette(routes=[Mount(PATH, routes=[*files, *own])], exception_handlers=EXPLAINED)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request to the console or to the service, or run the service's lifespan."""
        if scope["type"] == "lifespan":
            await self.service(scope, receive, partial(self.send_lifespan, send))
        elif scope["type"] == "http" and f"{scope['path']}/".startswith(f"{PATH}/"):
            reason = refusal(Request(scope))
            await (PlainTextResponse(reason, 403) if reason else self.pages)(scope, receive, send)
        else:
            await (self.watch if scope["type"] == "http" else self.service)(scope, receive, send)

    async def send_lifespan(self, send: Send, message: Message) -> None:
        """Pass on an ASGI lifespan message; after start-up, subscribe to SQL statements, stalls and stop signals."""
        if message["type"] == "lifespan.startup.complete":
            self.watch.attach(self.service.state.resources)
            loop = asyncio.get_running_loop()
            # At a signal, end the event streams of the console's page: otherwise a reload waits 2 s for these
            # responses.
            with suppress(ValueError):  # a server in a thread, as in a test, cannot handle signals
                for number in (signal.SIGINT, signal.SIGTERM):
                    if callable(before := signal.getsignal(number)):
                        signal.signal(number, both(lambda *_: loop.call_soon_threadsafe(self._stopping.set), before))
        await send(message)

    async def frame(self) -> dict[str, Any]:
        """Return the state of the whole service at this moment, as JSON for the console's page and for `make top`."""
        resources = self.service.state.resources
        report = await self.switches.database.ask()
        routes = [*route_rows(self.service, self.settings, resources)]
        management = f"http://{self.settings.management_host}:{self.settings.management_port}/"
        return {
            "boot": self._boot,
            "service": self.settings.service_name,
            "not_ready": await resources.readiness.reasons(),
            "migrations": report.migrations,
            "links": [management, *sorted(LINKS & {row[1] for row in routes})],
            "gauges": [*gauges(resources, max(self.watch.lags), report.jobs)],
            "requests": [*self.watch.requests],
            "stalls": [*self.watch.stalls],
            "switches": await asyncio.to_thread(self.switches.states),
            "load": self.load.summary(),
            "settings": [["setting", "value", "from"], *setting_rows(self.settings, sources_of(self.settings))],
            "routes": [["methods", "path", "route group", "deadline", "concurrent", "largest body"], *routes],
        }

    async def _file(self, name: str, _request: Request) -> Response:
        return FileResponse(Path(__file__).with_name(name), headers=HEADERS)

    async def _frame(self, _request: Request) -> Response:
        return JSONResponse(await self.frame(), headers=HEADERS)

    async def _events(self, _request: Request) -> Response:
        return StreamingResponse(self._stream(), headers=HEADERS, media_type="text/event-stream")

    async def _stream(self) -> AsyncIterator[str]:
        """Yield the service's state each second as a server-sent event; a cut-off browser reconnects after 0.5 s."""
        while not self._stopping.is_set():
            yield f"retry: 500\ndata: {json.dumps(await self.frame())}\n\n"
            with suppress(TimeoutError):  # one event a second, because metrics are sampled once a second
                await asyncio.wait_for(self._stopping.wait(), 1)

    async def _flip(self, request: Request) -> Response:
        """Switch a fault of the console on or off, or start a load on a path, as the JSON body of the request says."""
        wanted = await request.json()
        if "load" in wanted:
            base = str(request.base_url).rstrip("/")
            await asyncio.to_thread(self.load.start, base, wanted["load"], self.service.openapi)
        else:
            await self.switches.flip(wanted["name"], wanted["state"])
        return Response(status_code=204)
