"""The development runner: starts PostgreSQL, migrates, starts the stub downstreams, then the service itself.

`python -m devtools.run` reloads when a file in app/ changes; with `--production` it runs gunicorn as production does.
Ctrl-C stops everything in reverse order.
"""

import argparse
import os
import secrets
import signal
import sys
import time
from typing import NoReturn

from devtools import stubs
from devtools.binaries import ServerError
from devtools.child_processes import ChildEnded, ChildProcesses, RunError, StopRequested
from devtools.ports import FIRST_PORT, LOOPBACK, free_port, reserved
from devtools.postgres import PROJECT, development_url, setting
from devtools.probe import base_url, hints, wait_until_ready

SERVICE = "app.main:app"

BEGUN = time.monotonic()
MANAGEMENT_PORT = 9464
"""The port of the status page, unless it is taken or the setting MANAGEMENT_PORT names a port."""

WORKERS = "2"
"""Gunicorn's workers with --production: two show errors that a single worker hides, and need few database
connections."""

DEVELOPMENT = {"ENVIRONMENT": "development", "API_DOCS": "true", "LOG_FORMAT": "console"}


def stub_urls(port: int) -> dict[str, str]:
    """Return the environment variables with the addresses of the stub downstreams."""
    return {stubs.variable(name): f"http://127.0.0.1:{port}/{name}" for name in stubs.names()}


def environment(url: str, stubs_port: int, *, production: bool) -> dict[str, str]:
    """Return the environment of the child processes: development defaults, which the developer's variables override."""
    defaults = stub_urls(stubs_port)
    defaults["WEB_CONCURRENCY"] = WORKERS if production else "1"
    defaults["DRAIN_SECONDS"] = "0"  # no load balancer is in front, and a developer should not wait
    if not production and setting("ENVIRONMENT") in (None, "development"):
        defaults |= DEVELOPMENT
    unset = {name: value for name, value in defaults.items() if setting(name) is None}
    return os.environ | unset | {"DATABASE_URL": url}


def service_command(host: str, port: int, *, production: bool, platform: str = sys.platform) -> list[str]:
    """Return the command that starts the service: gunicorn in production, else uvicorn with reload.

    Raises:
        RunError: this platform has no gunicorn.
    """
    if production and platform == "win32":
        raise RunError("Gunicorn does not run on Windows: leave out --production, or use a container.")
    if production:
        return [sys.executable, "-m", "app.server"]
    # Without --timeout-graceful-shutdown, an open stream would block a reload and Ctrl-C for ever.
    reload = ["--reload", "--reload-dir", "app", "--timeout-graceful-shutdown", "2", "--no-access-log"]
    return [sys.executable, "-m", "uvicorn", SERVICE, "--host", host, "--port", str(port), *reload]


def start(
    children: ChildProcesses, url: str, address: tuple[str, int], *, production: bool, isolated: bool = False
) -> str:
    """Migrate the database, start the stub downstreams and the service, wait until it is ready; return the status page.

    Args:
        children: the processes to which the stubs and the service are added.
        url: the address of the database.
        address: the host and the free port on which the service listens.
        production: gunicorn instead of uvicorn with reload.
        isolated: use this database and the stubs only, and ignore the developer's own addresses.

    Raises:
        RunError: the migrations failed, the service did not become ready, or this platform has no gunicorn.
    """
    host, port = address
    command, stubs_port = service_command(host, port, production=production), free_port()
    instance = secrets.token_hex(4)
    variables = environment(url, stubs_port, production=production)
    management = setting("MANAGEMENT_PORT") or str(free_port(MANAGEMENT_PORT))
    variables |= {"HOST": host, "PORT": str(port), "INSTANCE_ID": instance, "MANAGEMENT_PORT": management}
    if isolated:
        variables |= stub_urls(stubs_port) | {"DATABASE_DIRECT_URL": url}
    leg("migrating ...")
    if code := children.finish("alembic", [sys.executable, "-m", "alembic", "upgrade", "head"], variables):
        raise RunError(f"The migrations failed with exit code {code}: the lines above name the reason.")
    if stubs.names():
        stub = [sys.executable, "-m", "devtools.stubs", "--port", str(stubs_port)]
        children.start("the stub downstreams", stub, variables)
    # {% if cookiecutter.jobs == "yes" %}
    own = {"MANAGEMENT_PORT": str(free_port(int(management) + 1))}
    children.start("the worker of jobs", [sys.executable, "-m", "app.jobs"], variables | own)
    # {% endif %}
    leg(f"serving on port {port} ...")
    children.start("the service", command, variables, terminal=not production)
    wait_until_ready(base_url(host, port), instance, children)
    leg("ready")
    return base_url(setting("MANAGEMENT_HOST") or LOOPBACK, int(management))


def serve(host: str, port: int, *, production: bool) -> NoReturn:
    """Start and watch PostgreSQL, the stubs and the service. Always ends by an exception, when all have stopped."""
    leg("starting PostgreSQL ...")
    with development_url() as url, ChildProcesses(PROJECT) as children:
        status_page = start(children, url, (host, port), production=production)
        say(hints(base_url(host, port), status_page))
        while True:
            children.pause()


def leg(line: str) -> None:
    """Print which step of the start begins, and how many seconds after the start of this process."""
    say(f"{time.monotonic() - BEGUN:5.1f} s  {line}")


def say(line: str) -> None:
    """Print a line and flush it, as standard output may be a pipe."""
    print(line, flush=True)


def port_number(text: str) -> int:
    """Return the option --port or the variable PORT as a number, and refuse a text that is no port."""
    if not text.isdecimal() or not 1 <= int(text) <= 2**16 - 1:
        raise argparse.ArgumentTypeError("a port, here or in the variable PORT, is a number from 1 to 65535")
    return int(text)


def parse(arguments: list[str]) -> argparse.Namespace:
    """Return the options of the development runner, with HOST and PORT of the environment or `.env` as defaults."""
    parser = argparse.ArgumentParser(prog="python -m devtools.run", description=__doc__, allow_abbrev=False)
    parser.add_argument("--production", action="store_true", help="gunicorn instead of uvicorn with reload")
    port = f"or the variable PORT; left out, {FIRST_PORT} or the next free one"
    parser.add_argument("--port", type=port_number, default=setting("PORT"), help=port)
    host = f"or the variable HOST; else {LOOPBACK}"
    parser.add_argument("--host", type=lambda text: text.strip("[]"), default=setting("HOST") or LOOPBACK, help=host)
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Serve until Ctrl-C, SIGTERM or a failure, and return the exit code."""
    options = parse(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # like Ctrl-C, until ChildProcesses handles this signal
    try:
        with reserved(options.port, options.host) as port:
            serve(options.host, port, production=options.production)
    except ChildEnded as ended:
        print(f"{ended}; stopped everything.", file=sys.stderr)
        return ended.code
    except (RunError, ServerError) as error:
        print(error, file=sys.stderr)
        return 1
    except (KeyboardInterrupt, StopRequested):
        say("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
