"""A developer debugs on a terminal: `make run` and the tests stop at a breakpoint, and continue afterwards."""

import re
import secrets
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from devtools.ports import free_port
from devtools.probe import probe
from devtools.tests.server_users import PROJECT, ask, marked, soon
from devtools.tests.terminals import terminal

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds processes in /proc")

THINKING_SECONDS = 5.0
"""The pause at a debugger prompt, in seconds: longer than a request's deadline and a statement's timeout."""

PAINT = re.compile(r"\x1b\[\d*m")
"""Matches the terminal's escape codes for colours."""

ROUTE = '''

@app.get("/stop")
async def stop(session: WriteSession) -> str:
    """Stop in a transaction."""
    await session.execute(text("SELECT 1"))
    breakpoint()
    return str(await session.scalar(text("SELECT 'went on'")))
'''

TEST = '''"""A test that stops, and tests that fail."""

import time

import pytest
from fastapi import FastAPI
from sqlalchemy import text

from app.dependencies import WriteSession
from tests.conftest import client_of


async def test_it(committed_app: FastAPI) -> None:
    app = committed_app
@ROUTE@
    async with client_of(app) as client:
        answer = await client.get("/stop")
        assert answer.json() == "went on"


async def test_bug(committed_app: FastAPI) -> None:
    @committed_app.get("/bug")
    async def bug() -> None:
        raise LookupError("the bug itself")

    async with client_of(committed_app) as client:
        assert (await client.get("/bug")).status_code == 200


class Slow:
    def __repr__(self) -> str:
        end = time.thread_time() + 1
        while time.thread_time() < end:
            pass
        return "after a second"


@pytest.fixture
def slow() -> Slow:
    return Slow()


async def test_report(committed_client: object, slow: Slow) -> None:
    raise LookupError
'''.replace("@ROUTE@", ROUTE.replace("\n", "\n    "))


@pytest.fixture(scope="module")
def project() -> Iterator[Path]:
    """A copy of the service with a route and a test that stop at a breakpoint."""
    folder = Path("/var/tmp") / f"debugged-{secrets.token_hex(4)}"  # noqa: S108 - root's PostgreSQL may enter /var/tmp
    shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns(".venv", ".devtools", ".git", ".*_cache"))
    main = folder / "app/main.py"
    imports = "from sqlalchemy import text\n\nfrom app.dependencies import WriteSession\n"
    main.write_text(main.read_text() + imports + ROUTE)
    (folder / "tests/test_stop.py").write_text(TEST)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_a_breakpoint_under_the_runner_asks_and_the_request_succeeds_afterwards(project: Path, server_url: str) -> None:
    name, port = f"debugged_{secrets.token_hex(4)}", free_port()
    ask(server_url, f"CREATE DATABASE {name}")
    url = server_url.replace("/postgres", f"/{name}")
    run = terminal(project, "-m", "devtools.run", "--port", str(port), DATABASE_URL=url)
    with run as shell, ThreadPoolExecutor() as pool:
        shell.shows("Ctrl-C stops everything.")
        answer = pool.submit(probe_patiently, port)
        shell.shows("(Pdb)")
        time.sleep(THINKING_SECONDS)
        shell.types("p 'asked', 40 + 2\n")
        shell.shows("('asked', 42)")
        shell.types("c\n")
        status, body = answer.result()
        shell.types("\x03")  # Ctrl-C
        code = shell.end()
        gone = soon(lambda: not marked(shell.mark))

    assert (status, body) == (200, '"went on"')
    assert shell.screen.count("debugger stops the event loop") == 1
    assert not re.search(r"event loop (is|was) blocked.*path=/stop", PAINT.sub("", shell.screen))
    assert "Traceback" not in shell.screen
    assert shell.screen.rstrip().endswith("stopped")
    assert (code, gone) == (0, True)


def probe_patiently(port: int) -> tuple[int, str]:
    return probe(f"http://127.0.0.1:{port}", "/stop", seconds=60)


def test_a_breakpoint_in_a_test_asks_and_the_test_passes_afterwards(project: Path) -> None:
    with terminal(project, "-m", "pytest", "-n0", "tests/test_stop.py", "-k", "test_it") as shell:
        shell.shows("(Pdb)")
        time.sleep(THINKING_SECONDS)
        shell.types("c\n")
        code = shell.end()

    assert (code, "1 passed" in shell.screen) == (0, True), shell.screen


def test_pdb_shows_the_bug_itself_where_it_was_raised(project: Path) -> None:
    with terminal(project, "-m", "pytest", "--pdb", "tests/test_stop.py", "-k", "test_bug") as shell:
        shell.shows("(Pdb)")
        shell.types("p 'here:', type(app).__name__\n")
        shell.types("q\n")
        shell.end()

    assert "LookupError: the bug itself" in shell.screen
    assert 'raise LookupError("the bug itself")' in shell.screen
    assert "assert 500 == 200" not in shell.screen
    assert "BlockedLoop" not in shell.screen


def test_a_report_that_takes_long_to_format_is_no_blocked_loop(project: Path) -> None:
    with terminal(project, "-m", "pytest", "-n0", "tests/test_stop.py", "-k", "test_report") as shell:
        shell.end()

    assert "after a second" in shell.screen
    assert "BlockedLoop" not in shell.screen
    assert re.search(r"1 failed, \d+ deselected", PAINT.sub("", shell.screen)), shell.screen


def test_the_tests_run_without_xdist(project: Path) -> None:
    with terminal(project, "-m", "pytest", "-p", "no:xdist", "tests/test_layers.py") as shell:
        code = shell.end()

    assert (code, "2 passed" in shell.screen) == (0, True), shell.screen
