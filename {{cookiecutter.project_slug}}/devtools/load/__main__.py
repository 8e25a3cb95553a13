"""Load test of this service, or of a running service (--url).

The load test starts the service as in production (on Windows, as in development), on an empty database of its own,
sends the requests of devtools/load/calls.py, stops the service, drops the database and writes a report.

Closed loop (--users): each user waits for a response before it sends the next request, without a pause. This measures
the throughput of the service, not the waiting under a given load: a slow service gets fewer requests.

Open loop (--rate): requests start evenly spaced, whether or not earlier requests have ended, as independent users send
them. A late start counts as waiting; a request that cannot start, with 1000 in flight, is counted and not sent.

In both loops, the client obeys the Retry-After of a 503, and sends the request once more.
"""

import argparse
import ipaddress
import json
import os
import signal
import socket
import sys
import tempfile
import time
from contextlib import nullcontext, suppress
from pathlib import Path
from urllib.parse import urlsplit

from devtools.binaries import ServerError
from devtools.child_processes import ChildEnded, ChildProcesses, RunError, StopRequested
from devtools.load.page import page
from devtools.load.report import MAX_IN_FLIGHT, latencies, markdown, notes, quantile, read, started, table
from devtools.ports import LOOPBACK, free_port
from devtools.postgres import PROJECT, STATE, scratch_url
from devtools.probe import probe, sign_in
from devtools.run import say, start

if sys.platform != "win32":
    import resource

LIMITS = {"users": MAX_IN_FLIGHT, "rate": 2000, "seconds": 300}
"""The highest --users, --rate and --seconds: the client is a single Python process, which reaches no higher rate."""

FILES = 4096
"""The limit of open files for client and service: the default can be 256, and each connection takes a file in both."""

LOG_LINES = 15
"""How many last lines of the service's log a failed load test prints."""


def refusal(url: str, *, anywhere: bool) -> str | None:
    """Return why the load test refuses a URL, or None; with `anywhere`, the URL may be that of a different machine."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or {"http": 80, "https": 443}[parts.scheme]
    except (ValueError, KeyError):
        return f"{url} is not an address such as http://127.0.0.1:8000"
    with suppress(ValueError):
        anywhere = anywhere or ipaddress.ip_address(host).is_loopback
    if not anywhere and host != "localhost":
        return f"{url} is not on this machine, and this load can take a service down: add --anywhere to allow it"
    try:
        socket.create_connection((host, port), timeout=3).close()
    except OSError as error:
        return f"no service answers at {url} ({error.strerror or error}): start it first"
    return None


def parse(arguments: list[str]) -> argparse.Namespace:
    """Return the checked options of the load test, or end the program with a sentence about the wrong option."""
    parser = argparse.ArgumentParser(
        "python -m devtools.load", argparse.SUPPRESS, description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    loop = parser.add_mutually_exclusive_group()
    loop.add_argument("--users", type=int, default=20, help="closed loop: the number of users (20)")
    loop.add_argument("--rate", type=float, help="open loop: requests a second")
    parser.add_argument("--seconds", type=float, default=20, help="the length of the test (20)")
    parser.add_argument("--url", help="a service that runs already; it gets real requests, also writes")
    parser.add_argument("--authorization", default="", help="the Authorization header for the service at --url")
    parser.add_argument("--anywhere", action="store_true", help="allow a --url on a different machine")
    parser.add_argument("--report", type=Path, default=STATE / "load" / "report.html", help="the page to write")
    options = parser.parse_args(arguments)
    for name, limit in LIMITS.items():
        if (number := getattr(options, name)) is not None and not 1 <= number <= limit:
            parser.error(f"--{name} is a number from 1 to {limit}")
    if options.url and (reason := refusal(options.url, anywhere=options.anywhere)):
        parser.error(reason)
    try:
        options.report.parent.mkdir(parents=True, exist_ok=True)
        options.report.write_text("")  # refuses a wrong path of the report now, and not after minutes of load
    except OSError as error:
        parser.error(f"{options.report} cannot be written: {error.strerror}")
    return options


def send(options: argparse.Namespace, children: ChildProcesses, file: Path) -> None:
    """Run the load client's process, and print rate, latency and errors in a line each second."""
    numbers = [str(number) for number in (options.seconds, options.users, options.rate or 0)]
    command = [
        sys.executable,
        "-m",
        "devtools.load.sender",
        options.url.rstrip("/"),
        str(file),
        *numbers,
        options.authorization,
    ]
    children.start("the sender", command, os.environ)
    say(f"sending to {options.url} for {options.seconds:g} s; Ctrl-C ends it with the report so far ...")
    position, begun, shown = 0, 0.0, 0.0
    load = f"{options.rate:g}/s due" if options.rate else f"{options.users} users"
    try:
        while True:
            children.pause()
            if not file.exists():
                begun = shown = time.monotonic()
            elif (now := time.monotonic()) >= shown + 1:
                records, position = read(file, position)
                good = latencies(records)
                rate, errors = len(started(records)) / (now - shown), len(records) - len(good)
                p95 = f"{quantile(good, 0.95):5.0f}" if good else "    -"
                say(f"  {now - begun:4.0f} s   {load}   {rate:5.0f} requests/s   p95 {p95} ms   {errors:5} errors")
                shown = now
    except ChildEnded as ended:
        if ended.name != "the sender" or ended.code:
            raise


def drive(options: argparse.Namespace, file: Path) -> int:
    """Start the service unless --url names a service, send the requests, stop the service, and return an exit code."""
    log, port = options.report.with_name(f"{options.report.name}.log"), free_port()
    database = nullcontext("") if options.url else scratch_url()
    say("starting ...")
    try:
        with log.open("wb") as output, database as url, ChildProcesses(PROJECT, output=output) as children:
            if not options.url:
                start(children, url, (LOOPBACK, port), production=sys.platform != "win32", isolated=True)
                options.url = f"http://127.0.0.1:{port}"
                description = json.loads(probe(options.url, "/openapi.json")[1])
                options.authorization = sign_in(description).get("Authorization", "")
            send(options, children, file)
            say("stopping ...")
    except (KeyboardInterrupt, StopRequested):
        say("stopped early")
    except (RunError, ServerError, ChildEnded) as error:
        lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:]
        print(*lines, f"{error}. The whole log: {log}", sep="\n", file=sys.stderr)
        return 1
    return 0


def main(arguments: list[str]) -> int:
    """Run a load test and return the exit code."""
    options = parse(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # SIGTERM acts as Ctrl-C until ChildProcesses handles it
    if sys.platform != "win32":
        with suppress(ValueError):  # the system's hard limit of open files is lower
            resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    with tempfile.TemporaryDirectory() as folder:
        code = drive(options, Path(folder) / "records")
        records, _ = read(Path(folder) / "records")
    if not started(records):
        print("No request was sent, so there is no report: read the lines above.", file=sys.stderr)
        return 1
    lines, sentences = table(records), notes(records, options.users, options.rate or 0)
    options.report.write_text(page(options.url, records, lines, sentences), encoding="utf-8")
    say("\n".join(["", markdown(lines), "", *sentences, "", f"report: {options.report.resolve().as_uri()}"]))
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
