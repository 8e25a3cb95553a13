"""Serves the service for a person at a terminal: PostgreSQL, migrations, stub downstreams, then the service itself.

`python -m devtools.run` reloads when a file in app/ changes; with `--production` it runs gunicorn as production does.
Ctrl-C stops all of it, in reverse order.
"""

import argparse
import http.client
import os
import shlex
import signal
import sys
import time
from typing import NoReturn

from devtools import stubs
from devtools.binaries import ServerError
from devtools.children import ChildEnded, Children, Stopped
from devtools.ports import free_port, is_free
from devtools.postgres import PROJECT, development_url, setting

SERVICE = "app.main:app"

FIRST_PORT, LAST_PORT = 8000, 8099
"""Where a port is looked for when none was asked for."""

READY_SECONDS = 30.0
"""A start takes two seconds; what takes this long will not come."""

PROBE_SECONDS = 2.0

WORKERS = "2"
"""With --production: two show what one hides, and all CPUs of a large machine would not fit into the database."""

OK = 200

DEVELOPMENT = {"ENVIRONMENT": "development", "API_DOCS": "true", "LOG_FORMAT": "console"}


class RunError(Exception):
    """The service cannot be served; the message says what to do."""


def pick_port(wanted: int | None) -> int:
    """Return the wanted port, or the first free one when none was wanted.

    Raises:
        RunError: it is in use.
    """
    for port in [wanted] if wanted else range(FIRST_PORT, LAST_PORT + 1):
        if is_free(port):
            return port
    if wanted:
        raise RunError(f"Port {wanted} is in use: stop what listens there, or leave out --port to get a free one.")
    raise RunError(f"The ports from {FIRST_PORT} to {LAST_PORT} are all in use: name a free one with --port.")


def stub_urls(port: int) -> dict[str, str]:
    """Return the variables that point the service to its stubs."""
    return {stubs.variable(name): f"http://127.0.0.1:{port}/{name}" for name in stubs.names()}


def environment(url: str, stubs_port: int, *, production: bool) -> dict[str, str]:
    """Return the variables of the children: the person's own, and ours where the person set none."""
    ours = stub_urls(stubs_port)
    ours["WEB_CONCURRENCY"] = WORKERS if production else "1"
    ours["DRAIN_SECONDS"] = "0"  # no balancer is in front, and a person waits
    if not production and setting("ENVIRONMENT") in (None, "development"):
        ours |= DEVELOPMENT
    free = {name: value for name, value in ours.items() if setting(name) is None}
    return os.environ | free | {"DATABASE_URL": url}


def service_command(port: int, *, production: bool, platform: str = sys.platform) -> list[str]:
    """Return the command that serves the service.

    Raises:
        RunError: this platform has no gunicorn.
    """
    if production and platform == "win32":
        raise RunError("gunicorn does not run on Windows: leave out --production, or use a container.")
    if production:
        return [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "--bind", f"127.0.0.1:{port}", SERVICE]
    reload = ["--reload", "--reload-dir", "app", "--timeout-graceful-shutdown", "2"]  # an open stream would block both
    return [sys.executable, "-m", "uvicorn", SERVICE, "--port", str(port), "--no-access-log", *reload]


def probe(port: int, path: str) -> tuple[int, str]:
    """Return the status and body of a GET; status 0 and a reason while nothing answers. Proxies are not asked."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PROBE_SECONDS)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return 0, str(error)
    finally:
        connection.close()


def wait_until_ready(port: int, children: Children, seconds: float = READY_SECONDS) -> None:
    """Return once the service says that it is ready.

    Raises:
        RunError: it does not in time.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        status, body = probe(port, "/health/ready")
        if status == OK:
            return
        children.pause()
    raise RunError(f"The service is not ready after {seconds:.0f} s. /health/ready says: {status} {body}")


def hints(port: int) -> str:
    """Return what a person can do with the running service."""
    base = f"http://127.0.0.1:{port}"
    call = ["curl", "-s", f"{base}/health/ready"]
    # {% if cookiecutter.example == "yes" %}
    order = '{"customer":"Ada","lines":[{"sku":"TEA-1","quantity":2,"unit_price":"4.50"}]}'
    call = ["curl", "-s", f"{base}/api/v1/orders", "-H", "content-type: application/json", "-d", order]
    # {% endif %}
    documentation = f"  open    {base}/docs\n" if probe(port, "/docs")[0] == OK else ""
    return f"\n{documentation}  health  {base}/health/ready\n  try     {shlex.join(call)}\n\nCtrl-C stops everything.\n"


def start(children: Children, url: str, port: int, *, production: bool, isolated: bool = False) -> None:
    """Migrate, start the stubs and the service, and return once it is ready.

    Args:
        children: to add them to.
        url: the database's.
        port: a free one.
        production: gunicorn instead of uvicorn with reload.
        isolated: use this database and stubs only, also where the person named addresses of their own.

    Raises:
        RunError: the migrations failed, the service does not get ready, or this platform has no gunicorn.
    """
    command, stubs_port = service_command(port, production=production), free_port()
    variables = environment(url, stubs_port, production=production)
    if isolated:
        variables |= stub_urls(stubs_port) | {"DATABASE_DIRECT_URL": url}
    say("migrating ...")
    if code := children.finish("alembic", [sys.executable, "-m", "alembic", "upgrade", "head"], variables):
        raise RunError(f"The migrations failed with exit code {code}: the reason is above.")
    if stubs.names():
        stub = [sys.executable, "-m", "devtools.stubs", "--port", str(stubs_port)]
        children.start("the stub downstreams", stub, variables)
    say(f"serving on port {port} ...")
    children.start("the service", command, variables)
    wait_until_ready(port, children)


def serve(port: int, *, production: bool) -> NoReturn:
    """Start everything in order and watch over it; the end is always an exception, with everything stopped."""
    say("starting PostgreSQL ...")
    with development_url() as url, Children(PROJECT) as children:
        start(children, url, port, production=production)
        say(hints(port))
        while True:
            children.pause()


def say(line: str) -> None:
    """Show progress at once, through a pipe too."""
    print(line, flush=True)


def port_number(text: str) -> int:
    """Parse --port."""
    if not text.isdecimal() or not 1 <= int(text) <= 2**16 - 1:
        raise argparse.ArgumentTypeError("a port is a number from 1 to 65535")
    return int(text)


def main(arguments: list[str]) -> int:
    """Serve until Ctrl-C, SIGTERM or a failure, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m devtools.run", description=__doc__)
    parser.add_argument("--production", action="store_true", help="gunicorn instead of uvicorn with reload")
    parser.add_argument("--port", type=port_number, help=f"{FIRST_PORT} or the next free one when left out")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # until the children's own handler takes over
    try:
        serve(pick_port(options.port), production=options.production)
    except ChildEnded as ended:
        print(f"{ended}; stopped everything.", file=sys.stderr)
        return ended.code
    except (RunError, ServerError) as error:
        print(error, file=sys.stderr)
        return 1
    except (KeyboardInterrupt, Stopped):
        say("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
