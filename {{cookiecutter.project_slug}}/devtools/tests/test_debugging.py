"""A person debugs the service on a terminal: `make run` and the tests stop at a breakpoint, and go on as before."""

import os
import re
import secrets
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from devtools.ports import free_port
from devtools.probe import probe
from devtools.tests.server_users import PROJECT, ask, marked, soon

if sys.platform != "win32":
    import pty

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="finds processes in /proc")

THINKING_SECONDS = 5.0
"""The pause at a prompt: longer than the deadline of a request, and than a statement may take."""

ROUTE = '''

@app.get("/stop")
async def stop(session: WriteSession) -> str:
    """Stop in a transaction."""
    await session.execute(text("SELECT 1"))
    breakpoint()
    return str(await session.scalar(text("SELECT 'went on'")))
'''

TEST = '''"""A test that stops."""

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
'''.replace("@ROUTE@", ROUTE.replace("\n", "\n    "))


@dataclass
class Terminal:
    """A program on a terminal of its own, and what the terminal shows."""

    pid: int
    keyboard: int
    mark: str
    screen: str = ""

    def shows(self, text: str) -> None:
        """Read until the terminal shows a text."""
        begin = len(self.screen)
        while text not in self.screen[begin:]:
            self.screen += self._read()

    def types(self, text: str) -> None:
        """Type a text, as a person does."""
        os.write(self.keyboard, text.encode())

    def end(self) -> int:
        """Read to the end, and return the exit code."""
        try:
            while True:
                self.screen += self._read()
        except EOFError:
            return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def _read(self) -> str:
        try:
            data = os.read(self.keyboard, 4096)
        except OSError:  # how Linux tells that the last process has left the terminal
            data = b""
        if not data:
            raise EOFError(self.screen)
        return data.decode(errors="replace")


@contextmanager
def terminal(folder: Path, *arguments: str, **variables: str) -> Iterator[Terminal]:
    """Run Python with these arguments in a folder, on a terminal; kill what is left of it at the end."""
    mark = secrets.token_hex(8)
    pid, keyboard = pty.fork()
    if not pid:
        os.chdir(folder)
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
        os.execve(sys.executable, [sys.executable, *arguments], environment | variables | {"MARK": mark})  # noqa: S606
    try:
        yield Terminal(pid, keyboard, mark)
    finally:
        for left in marked(mark):
            os.kill(left, signal.SIGKILL)
        os.close(keyboard)


@pytest.fixture(scope="module")
def project() -> Iterator[Path]:
    """A copy of the service with a route and a test that stop at a breakpoint."""
    folder = Path("/var/tmp") / f"debugged-{secrets.token_hex(4)}"  # noqa: S108 - root's PostgreSQL may enter it
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
    assert not re.search(r"event loop (is|was) blocked.*path=/stop", re.sub(r"\x1b\[\d*m", "", shell.screen))
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


def test_the_tests_run_without_xdist(project: Path) -> None:
    with terminal(project, "-m", "pytest", "-p", "no:xdist", "tests/test_layers.py") as shell:
        code = shell.end()

    assert (code, "2 passed" in shell.screen) == (0, True), shell.screen
