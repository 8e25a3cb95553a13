"""A PostgreSQL server that several processes share stops after the last process has ended, even by kill -9."""

import os
import signal
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
from fasteners import InterProcessReaderWriterLock

from devtools import postgres
from devtools.tests.server_users import ask, guard_pid, has_guard, kill, leave, listens, soon, url_of, user, within

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills processes by POSIX signals")


def test_a_shared_server_outlives_ctrl_c_of_the_first_user_and_stops_with_the_last(kept: Path) -> None:
    """Ctrl-C ends the process group of the process that started the PostgreSQL server; the server must survive."""
    with user(kept, durable=True) as first:
        url = url_of(first)
        assert soon(lambda: has_guard(kept))  # on a busy machine the guard process may start after the server
        with user(kept, durable=True) as second:
            same = url_of(second)
            os.killpg(first.pid, signal.SIGINT)
            first.wait()
            with_guard, answer = has_guard(kept), ask(url)
            leave(second)

    assert (same, with_guard, answer) == (url, True, 1)
    assert soon(lambda: not listens(url))


def test_users_that_start_at_the_same_moment_share_a_server_and_kill_minus_9_of_all_leaves_nothing(
    folder: Path,
) -> None:
    """Leftovers of a crash, an incomplete data folder and an incomplete server, do not prevent PostgreSQL's start."""
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "PG_VERSION").write_text("18\n")
    folder.with_name("postgres.new-1").mkdir()
    with ExitStack() as stack:
        users = [stack.enter_context(user(folder)) for _ in range(3)]
        urls = {url_of(process) for process in users}
        answers = [ask(url) for url in urls]
        leftover = folder.with_name("postgres.new-1").exists()
        for process in users:
            process.kill()

        assert (answers, leftover) == ([1], False)
        assert soon(lambda: not folder.exists())
        assert not any(listens(url) for url in urls)


def test_a_killed_guard_is_replaced_by_the_next_user(kept: Path) -> None:
    """After the server's guard process was killed, the next process that uses the server starts a new guard process.

    The test kills both processes that use the server: on a normal exit, each would start a guard process too.
    """
    with user(kept, durable=True) as first:
        url = url_of(first)
        kill(guard_pid(kept))
        with user(kept, durable=True) as second:
            same = url_of(second)

    assert same == url
    assert soon(lambda: not listens(url))


def test_a_killed_guard_is_replaced_by_a_user_that_leaves(kept: Path) -> None:
    with user(kept, durable=True) as process:
        url = url_of(process)
        kill(guard_pid(kept))
        leave(process)

    assert soon(lambda: not listens(url))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads the parent of a process from /proc")
def test_the_guard_is_not_among_the_children_of_a_user(kept: Path) -> None:
    """A debugger's stop button ends a process with all children, so the server's guard process must not be a child."""
    with user(kept, durable=True) as process:
        url_of(process)
        parent = Path(f"/proc/{guard_pid(kept)}/stat").read_text().rpartition(") ")[2].split()[1]

    assert int(parent) != process.pid


def test_a_command_ends_after_the_durable_server_has_stopped(kept: Path) -> None:
    with postgres.server(kept, durable=True) as url:
        pass

    assert not listens(url)


def test_a_new_user_waits_while_the_guard_stops_the_server(kept: Path) -> None:
    stopping = InterProcessReaderWriterLock(kept.with_name("postgres.users"))
    assert stopping.acquire_write_lock(timeout=60)
    with user(kept, durable=True) as new_user:
        waited = not within(0.5, (kept / "data" / "postmaster.pid").exists)
        stopping.release_write_lock()
        answer = ask(url_of(new_user))

    assert (waited, answer) == (True, 1)


def test_a_process_that_uses_the_server_twice_keeps_it_until_the_second_leaving(kept: Path) -> None:
    """A process uses the server twice, nested: when the inner use ends, the outer use must keep its lock.

    POSIX drops all locks of a process on a file when the process closes any handle of the file. Without the outer lock,
    the guard could stop the server while it is used.
    """
    with postgres.server(kept, durable=True) as url:
        with postgres.server(kept, durable=True):
            pass

        assert ask(url) == 1
