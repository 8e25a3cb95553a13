"""Stubs of the downstreams, so that development needs no network: `python -m devtools.stubs --port 8100`.

A module `NAME_stub.py` in this folder is the stub of the downstream NAME. Its `ROUTES` answer under `/NAME`; the
service finds the stub by the variable `DOWNSTREAMS__NAME__BASE_URL`.

`GET /_faults` returns the fault of each stub, and a POST there, such as `{"NAME": "hang"}`, sets faults.
"""

import argparse
import asyncio
import contextlib
import importlib
import socket
import struct
import sys
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

SUFFIX = "_stub"

FAULTS_PATH = "/_faults"
FAULTS = ("off", "slow", "hang", "500", "reset")
"""The faults of a stub: none, a response after SLOW_SECONDS, no response, a 500, a reset connection."""

SLOW_SECONDS = 1.0
"""The delay of a slow response in seconds: less than a downstream's read timeout, by default 1.5 s."""

RESET = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
"""The SO_LINGER value with which closing a connection sends a TCP reset."""


def names(folder: Path = Path(__file__).parent) -> list[str]:
    """Return the names of the downstreams that have a stub in a folder."""
    return sorted(path.stem.removesuffix(SUFFIX) for path in folder.glob(f"*{SUFFIX}.py"))


def variable(name: str) -> str:
    """Return the environment variable from which the service reads the address of the downstream `name`."""
    return f"DOWNSTREAMS__{name.upper()}__BASE_URL"


class Faults:
    """ASGI middleware that injects the faults that were set for the stubs."""

    def __init__(self, app: ASGIApp, stubbed: list[str]) -> None:
        self.app = app
        self.faults = dict.fromkeys(stubbed, "off")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or fail in the way of the fault that is set for the stub."""
        if scope["type"] == "http" and scope["path"] == FAULTS_PATH:
            await (await self._set(Request(scope, receive)))(scope, receive, send)
            return
        fault = self.faults.get(scope["path"].split("/")[1], "off") if scope["type"] == "http" else "off"
        if fault == "slow":
            await asyncio.sleep(SLOW_SECONDS)
        elif fault == "reset":
            reset(receive)
        if fault in {"hang", "reset"}:
            while (await receive())["type"] != "http.disconnect":
                pass
        elif fault == "500":
            await JSONResponse({"detail": "a fault was switched on"}, 500)(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _set(self, request: Request) -> Response:
        """Answer with the fault of each stub, after setting the faults in the body of a POST.

        The body must be JSON: a browser sends JSON for a page of a different site only with permission (CORS).
        """
        if request.method == "POST":
            wanted = await request.json() if request.headers.get("content-type") == "application/json" else {}
            if not wanted or not wanted.keys() <= self.faults.keys() or not {*wanted.values()} <= {*FAULTS}:
                return JSONResponse({"detail": f"send JSON, a fault of {FAULTS} for each stub"}, 422)
            self.faults |= wanted
        return JSONResponse(self.faults)


def reset(receive: Any) -> None:  # noqa: ANN401 - uvicorn's `receive`, a method of the object with the transport
    """Reset the connection of a request through uvicorn's transport, as ASGI has no message for this."""
    transport = receive.__self__.transport
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    transport.abort()


def build_app(stubbed: list[str]) -> Starlette:
    """Return an app with these downstreams' stubs, each below the path of its name."""
    modules = {name: importlib.import_module(f"devtools.{name}{SUFFIX}") for name in stubbed}
    routes = [Mount(f"/{name}", routes=module.ROUTES) for name, module in modules.items()]
    return Starlette(routes=routes, middleware=[Middleware(Faults, stubbed=stubbed)])


def serve(port: int) -> None:
    """Serve the stubs on 127.0.0.1 until a signal; the first output line has the port, by default a free port."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        print(f"stubs of {names()} on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        # uvicorn raises KeyboardInterrupt again after its graceful shutdown
        with contextlib.suppress(KeyboardInterrupt):
            config = uvicorn.Config(build_app(names()), log_level="warning", timeout_graceful_shutdown=1)
            uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    serve(parser.parse_args().port)
