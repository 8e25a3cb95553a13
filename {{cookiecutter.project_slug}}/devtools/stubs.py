"""Stubs of the downstreams, so that development needs no network: `python -m devtools.stubs --port 8100`.

A module `NAME_stub.py` beside this module is the stub of the downstream NAME. Its `ROUTES` answer under `/NAME`; the
service finds the stub by the variable `DOWNSTREAMS__NAME__BASE_URL`.
"""

import argparse
import contextlib
import importlib
import socket
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

SUFFIX = "_stub"


def names(folder: Path = Path(__file__).parent) -> list[str]:
    """Return the names of the downstreams that have a stub."""
    return sorted(path.stem.removesuffix(SUFFIX) for path in folder.glob(f"*{SUFFIX}.py"))


def variable(name: str) -> str:
    """Return the environment variable from which the service reads the address of the downstream `name`."""
    return f"DOWNSTREAMS__{name.upper()}__BASE_URL"


def build_app(stubbed: list[str]) -> Starlette:
    """Return an app with the stubs of these downstreams, each under the name of the downstream."""
    modules = {name: importlib.import_module(f"devtools.{name}{SUFFIX}") for name in stubbed}
    return Starlette(routes=[Mount(f"/{name}", routes=module.ROUTES) for name, module in modules.items()])


def serve(port: int) -> None:
    """Serve on 127.0.0.1 until a signal; port 0 takes any free port, and the first line of output names the port."""
    with socket.create_server(("127.0.0.1", port)) as listener:
        print(f"stubs of {names()} on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        # uvicorn raises KeyboardInterrupt again after its graceful shutdown
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(uvicorn.Config(build_app(names()), log_level="warning")).run(sockets=[listener])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    serve(parser.parse_args().port)
