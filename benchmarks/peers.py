"""Peers: services of other templates, made from their sources at a pinned commit in .build/bench/peers/.

Nothing of a peer is committed. A peer that this machine cannot fetch, make or start raises `NotRun`, with the reason.
"""

import re
import shlex
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from benchmarks.build import BUILD, PYTHON, SERVICE_FOLDER
from benchmarks.peer_list import Peer
from tests.programs import background, environment, free_port, must, run

FOLDER, LOGS = BUILD / "peers", BUILD / "logs"

FETCH_SECONDS = 60.0
"""The timeout of git, in seconds: a host that drops packets would block the command for minutes."""

MAKE_SECONDS = 900.0
"""The timeout of a step that makes a peer, in seconds; some peers install a hundred packages."""

START_SECONDS = 60.0


class NotRun(Exception):
    """A peer could not be fetched, made or started on this machine; the message gives the reason in a few words."""


@dataclass(frozen=True, slots=True)
class Program:
    """A running service of a peer: the URL, the process id, and the path of each request."""

    url: str
    pid: int
    paths: Mapping[str, str]


def fetched(peer: Peer) -> Path:
    """Return the folder with a peer's sources at its commit.

    Raises:
        NotRun: git cannot reach the address, or the commit does not exist.
    """
    folder = FOLDER / peer.name
    folder.mkdir(parents=True, exist_ok=True)
    git = environment({"GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_GLOBAL": "/dev/null"})
    _step("git init --quiet .", folder, git)
    _step(f"git fetch --quiet --depth 1 {peer.address} {peer.commit}", folder, git, FETCH_SECONDS)
    _step("git checkout --quiet --force FETCH_HEAD", folder, git)
    return folder


@contextmanager
def running(peer: Peer, checkout: Path, database_url: str) -> Iterator[Program]:
    """Make a peer with a database on the server of `database_url`, and run its production command.

    Raises:
        NotRun: a step failed, or the program does not answer.
    """
    port = free_port()
    values = own_database(peer, database_url) | {"port": str(port)}
    folder = checkout / peer.folder
    variables = environment({name: value.format(**values) for name, value in peer.environment.items()})
    for command in peer.make:
        _step(command.format(**values), folder, variables)
    log, url = LOGS / f"peer-{peer.name}.log", f"http://127.0.0.1:{port}"
    with background(shlex.split(peer.serve.format(**values)), folder, variables, log) as program:
        deadline = time.monotonic() + START_SECONDS
        while not all(_answers(url + path) for path in peer.paths.values()):
            if program.process.poll() is not None or time.monotonic() > deadline:
                raise NotRun(f"it does not answer, see {log.name}")
            time.sleep(0.1)
        yield Program(url, program.process.pid, peer.paths)


def own_database(peer: Peer, url: str) -> dict[str, str]:
    """Create an empty database for a peer on the server of `url`, and return the parts of its URL."""
    name, server = peer.name.replace("-", "_").lower(), urlsplit(url)
    must([PYTHON, "-m", "measurements.fresh_database", url, name], SERVICE_FOLDER)
    return {
        "host": server.hostname or "",
        "database_port": str(server.port),
        "user": server.username or "",
        "password": server.password or "",
        "name": name,
    }


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def _step(command: str, folder: Path, variables: Mapping[str, str], seconds: float = MAKE_SECONDS) -> None:
    """Run a command; raise `NotRun` on failure, with the last line of output, where git names the error."""
    name = " ".join(shlex.split(command)[:2])
    try:
        done = run(shlex.split(command), folder, env=variables, seconds=seconds)
    except FileNotFoundError:
        raise NotRun(f"{name} is not installed") from None
    except subprocess.TimeoutExpired:
        raise NotRun(f"{name} took more than {seconds:.0f} s") from None
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
        reason = re.sub("^fatal: (unable to access '[^']*': )?", "", last)
        raise NotRun(f"{name}: {reason.replace('|', '/')}")
