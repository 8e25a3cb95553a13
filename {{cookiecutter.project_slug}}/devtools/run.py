"""The development runner: starts PostgreSQL, migrates, starts the stub downstreams, then the service itself.

`python -m devtools.run` reloads when a file in app/ changes; with `--production` it runs gunicorn as production does.
Ctrl-C stops all processes in reverse order.
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
from devtools.ports import FIRST_PORT, LAST_PORT, LOOPBACK, free_port, reserved
from devtools.postgres import PROJECT, development_url, setting
from devtools.probe import base_url, hints, wait_until_ready

CONSOLE = PROJECT / "devtools/console/app.py"
"""The file of the developer's console; without this file, the runner serves the service alone."""

BEGUN = time.monotonic()
MANAGEMENT_PORT = 9464
"""The status page's port for a service on port 8000; MANAGEMENT_PORT overrides it, and a free port replaces a taken
port."""

WORKERS = "2"
"""Gunicorn's workers with --production: two workers show errors that a single worker hides, with few database
connections."""

DOCUMENTED = {"ENVIRONMENT": "development", "API_DOCS": "true"}
DEVELOPMENT = DOCUMENTED | {"LOG_FORMAT": "console"}


def stub_urls(port: int) -> dict[str, str]:
    """Return the environment variables with the addresses of the stub downstreams."""
    return {stubs.variable(name): f"http://127.0.0.1:{port}/{name}" for name in stubs.names()}


def environment(url: str, stubs_port: int, *, production: bool) -> dict[str, str]:
    """Return the child processes' environment: development defaults, which the developer's variables override."""
    defaults = stub_urls(stubs_port)
    defaults["WEB_CONCURRENCY"] = WORKERS if production else "1"
    defaults["DRAIN_SECONDS"] = "0"  # there is no load balancer to wait for at shutdown
    if not production and setting("ENVIRONMENT") in (None, "development"):
        defaults |= DEVELOPMENT
    unset = {name: value for name, value in defaults.items() if setting(name) is None}
    chosen = {*unset, "DATABASE_URL", "MANAGEMENT_PORT", "HOST", "PORT", "INSTANCE_ID", "FORWARDED_ALLOW_IPS"}
    # DEVTOOLS_SET lists the settings that `make run` has set: the developer's console shows where each setting is from.
    names = {"DEVTOOLS_SET": ",".join(chosen - os.environ.keys())}
    return os.environ | unset | names | {"DATABASE_URL": url}


def service_command(host: str, port: int, *, production: bool, platform: str = sys.platform) -> list[str]:
    """Return the command that starts the service: gunicorn in production, else uvicorn with reload.

    Raises:
        RunError: this platform has no gunicorn.
    """
    if production and platform == "win32":
        raise RunError("Gunicorn does not run on Windows: leave out --production, or use a container.")
    if production:
        return [sys.executable, "-m", "app.server"]
    # Without --timeout-graceful-shutdown, an open stream would block a reload and Ctrl-C forever.
    reload = ["--reload", "--reload-dir", "app", "--timeout-graceful-shutdown", "2", "--no-access-log"]
    developed = (setting("ENVIRONMENT") or "development") == "development"
    service = "devtools.console.app:app" if developed and CONSOLE.exists() else "app.main:app"
    # With --lifespan on, an error in a middleware stops the start: uvicorn would serve without the lifespan.
    return [sys.executable, "-m", "uvicorn", service, "--host", host, "--port", str(port), "--lifespan", "on", *reload]


def management_port(port: int) -> int:
    """Return the preferred management port of the service on `port`; the next port is for the service's job worker."""
    return MANAGEMENT_PORT + 2 * (port - FIRST_PORT) % 200


def stubs_port_of(port: int) -> int:
    """Return the preferred port of the stubs: 8100 for a service on port 8000, 8101 for a service on port 8001."""
    return LAST_PORT + 1 + (port - FIRST_PORT) % 100


def start(
    children: ChildProcesses, url: str, address: tuple[str, int], *, production: bool, isolated: bool = False
) -> str:
    """Migrate the database, start the stubs and the service, wait until it is ready; return the status page's URL.

    Args:
        children: the child processes, to which the stubs and the service are added.
        url: the address of the database.
        address: the host and the free port on which the service listens.
        production: run gunicorn instead of uvicorn with reload.
        isolated: use this database and the stubs only, and ignore the developer's own addresses.

    Raises:
        RunError: the migrations failed, the service did not become ready, or this platform has no gunicorn.
    """
    host, port = address
    command, instance = service_command(host, port, production=production), secrets.token_hex(4)
    planned = {port, stubs_port := free_port(stubs_port_of(port), planned={port})}
    variables = environment(url, stubs_port, production=production)
    management = setting("MANAGEMENT_PORT") or str(free_port(management_port(port), planned=planned))
    variables |= {"HOST": host, "PORT": str(port), "INSTANCE_ID": instance, "MANAGEMENT_PORT": management}
    trusted = setting("FORWARDED_ALLOW_IPS"), "127.0.0.1", "::1"  # only trusted callers see the service's instance id
    variables["FORWARDED_ALLOW_IPS"] = ",".join(filter(None, trusted))
    if isolated:
        variables |= stub_urls(stubs_port) | {"DATABASE_DIRECT_URL": url} | DOCUMENTED
    leg("migrating ...")
    if code := children.finish("alembic", [sys.executable, "-m", "alembic", "upgrade", "head"], variables):
        raise RunError(f"The migrations failed with exit code {code}: the lines above name the reason.")
    if stubs.names():
        stub = [sys.executable, "-m", "devtools.stubs", "--port", str(stubs_port)]
        children.start("the stub downstreams", stub, variables)
    # {% if cookiecutter.jobs == "yes" %}
    own = {"MANAGEMENT_PORT": str(free_port(int(management) + 1, planned=planned))}
    children.start("the worker of jobs", [sys.executable, "-m", "app.jobs"], variables | own)
    # {% endif %}
    leg(f"serving on port {port} ...")
    children.start("the service", command, variables, terminal=not production)
    wait_until_ready(base_url(host, port), instance, children)
    leg("ready")
    return base_url(setting("MANAGEMENT_HOST") or LOOPBACK, int(management))


def serve(host: str, port: int, *, production: bool) -> NoReturn:
    """Run PostgreSQL, stubs and service until a signal or the end of a child; stop all, then raise the reason."""
    leg("starting PostgreSQL ...")
    with development_url() as url, ChildProcesses(PROJECT) as children:
        status_page = start(children, url, (host, port), production=production)
        say(hints(base_url(host, port), status_page))
        while True:
            children.pause()


def leg(line: str) -> None:
    """Print the start-up step that begins, and the seconds since the start of this process."""
    say(f"{time.monotonic() - BEGUN:5.1f} s  {line}")


def say(line: str) -> None:
    """Print a line and flush standard output, which may be a pipe."""
    print(line, flush=True)


def port_number(text: str) -> int:
    """Return the option --port or the variable PORT as a number; refuse a text that is not a port number."""
    if not text.isdecimal() or not 1 <= int(text) <= 2**16 - 1:
        raise argparse.ArgumentTypeError("a port, here or in the variable PORT, is a number from 1 to 65535")
    return int(text)


def parse(arguments: list[str]) -> argparse.Namespace:
    """Return the development runner's options; HOST and PORT of the environment or `.env` are the defaults."""
    parser = argparse.ArgumentParser(prog="python -m devtools.run", description=__doc__, allow_abbrev=False)
    parser.add_argument("--production", action="store_true", help="gunicorn instead of uvicorn with reload")
    port = f"or the variable PORT; left out, {FIRST_PORT} or the next free one"
    parser.add_argument("--port", type=port_number, default=setting("PORT"), help=port)
    host = f"or the variable HOST; else {LOOPBACK}"
    parser.add_argument("--host", type=lambda text: text.strip("[]"), default=setting("HOST") or LOOPBACK, help=host)
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Run the development runner until Ctrl-C, SIGTERM or a failure, and return the exit code."""
    options = parse(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # SIGTERM acts as Ctrl-C until ChildProcesses handles it
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
