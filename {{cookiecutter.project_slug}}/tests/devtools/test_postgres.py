"""The embedded server: shared, stopped by the last one out, and never left behind by a crash."""

import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from fasteners import InterProcessReaderWriterLock

from devtools import binaries, postgres
from devtools.cluster import Cluster
from tests.devtools.users import ask, guard_pid, has_guard, kill, leave, listens, run, url_of, user, within

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills processes by POSIX signals")

MODULE = ("-m", "devtools.postgres")

ELSEWHERE = "postgresql://somebody:secret@db.example/precious"


@contextmanager
def empty_place() -> Iterator[Path]:
    """A server's folder that also root's server can enter, unlike `tmp_path`; waits in the end for the guard."""
    with tempfile.TemporaryDirectory() as parent:
        Path(parent).chmod(0o755)
        folder = Path(parent) / "postgres"
        yield folder
        assert within(5, lambda: not has_guard(folder))


@pytest.fixture
def folder() -> Iterator[Path]:
    """The folder of a server that was never started."""
    with empty_place() as path:
        yield path


@pytest.fixture(scope="module")
def kept() -> Iterator[Path]:
    """The folder of a durable server that several tests start again: that takes a sixth of making one."""
    with empty_place() as path:
        yield path


def test_a_server_answers_and_is_gone_with_its_folder_afterwards(folder: Path) -> None:
    with postgres.server(folder, durable=False) as url:
        settings = "listen_addresses", "unix_socket_directories", "timezone", "fsync", "synchronous_commit"
        values = {name: ask(url, f"SHOW {name}") for name in settings}
        locale = ask(url, "SELECT datlocale FROM pg_database WHERE datname = 'template1'")
        mode = (folder / "password").stat().st_mode & 0o777
        wrong = url.replace(":", ":wrong", 2).replace(":wrong//", "://")
        with pytest.raises(Exception, match="password authentication failed"):
            ask(wrong)

    assert values == {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "timezone": "UTC",
        "fsync": "off",
        "synchronous_commit": "off",
    }
    assert (locale, mode) == ("C.UTF-8", 0o600)
    assert within(3, lambda: not listens(url) and not folder.exists())


def test_two_processes_share_one_server_and_ctrl_c_of_the_first_does_not_stop_it(folder: Path) -> None:
    """A terminal sends Ctrl-C to the whole group of the process that started the server."""
    with user(folder) as first, user(folder) as second:
        url = url_of(first)
        same = url_of(second)
        os.killpg(first.pid, signal.SIGINT)
        first.wait()
        time.sleep(0.3)
        guarded, answer = has_guard(folder), ask(url)
        leave(second)

    assert (same, guarded, answer) == (url, True, 1)
    assert within(3, lambda: not listens(url) and not folder.exists())


def test_starters_at_the_same_moment_get_one_server_and_what_a_crash_left_is_not_in_their_way(folder: Path) -> None:
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "PG_VERSION").write_text("18\n")
    folder.with_name("postgres.new-1").mkdir()
    with ExitStack() as stack:
        users = [stack.enter_context(user(folder)) for _ in range(3)]
        urls = {url_of(process) for process in users}
        answers = [ask(url) for url in urls]

    assert answers == [1]
    assert not folder.with_name("postgres.new-1").exists()


def test_kill_minus_9_of_the_only_user_leaves_no_server_and_no_folder(folder: Path) -> None:
    with user(folder) as process:
        url = url_of(process)
        process.kill()
        process.wait()

        assert within(3, lambda: not listens(url) and not folder.exists())


def test_a_killed_guard_is_replaced_by_the_next_user(kept: Path) -> None:
    """Both users are then killed, so that neither can start a guard on leaving."""
    with user(kept, durable=True) as first:
        url = url_of(first)
        kill(guard_pid(kept))
        with user(kept, durable=True) as second:
            same = url_of(second)

    assert same == url
    assert within(3, lambda: not listens(url))


def test_a_killed_guard_is_replaced_by_the_user_who_leaves(kept: Path) -> None:
    with user(kept, durable=True) as process:
        url = url_of(process)
        kill(guard_pid(kept))
        leave(process)

    assert within(3, lambda: not listens(url))


def test_a_newcomer_waits_while_the_guard_stops_the_server(kept: Path) -> None:
    stopping = InterProcessReaderWriterLock(kept.with_name("postgres.users"))
    assert stopping.acquire_write_lock(timeout=3)
    with user(kept, durable=True) as newcomer:
        waited = not within(0.5, (kept / "data" / "postmaster.pid").exists)
        stopping.release_write_lock()
        answer = ask(url_of(newcomer))

    assert (waited, answer) == (True, 1)


def test_a_process_that_uses_the_server_twice_keeps_it_until_the_second_leaving(kept: Path) -> None:
    """POSIX drops all locks of a process on a file as soon as one of its handles is closed."""
    with postgres.server(kept, durable=True) as url:
        with postgres.server(kept, durable=True):
            pass
        time.sleep(0.3)

        assert ask(url) == 1


def test_durable_data_and_its_port_survive_the_stop(kept: Path) -> None:
    with postgres.server(kept, durable=True) as first:
        ask(first, "CREATE TABLE kept (id int)")
        fsync = ask(first, "SHOW fsync")
    stopped = within(3, lambda: not listens(first))
    with postgres.server(kept, durable=True) as second:
        count = ask(second, "SELECT count(*) FROM kept")

    assert (fsync, stopped, count, second) == ("on", True, 0, first)


def test_a_server_that_crashed_is_not_mistaken_for_a_stranger_on_its_port(kept: Path) -> None:
    with postgres.server(kept, durable=True) as url:
        kill(int((kept / "data" / "postmaster.pid").read_text().split()[0]))
        with socket.create_server(("127.0.0.1", urlsplit(url).port or 0)), postgres.server(kept, durable=True) as new:
            answer = ask(new)

    assert answer == 1
    assert new != url


def test_an_initdb_killed_half_way_leaves_nothing_that_is_taken_for_a_server(folder: Path) -> None:
    """The initdb itself lives on for a moment; the guard waits for it."""
    with user(folder, durable=True) as process:
        begun = within(3, lambda: any(folder.parent.glob("postgres.new-*/data/base")))
        process.kill()
        process.wait()
        cleared = within(5, lambda: not has_guard(folder))
        left = [path.name for path in folder.parent.iterdir() if path.is_dir()]
    with postgres.server(folder, durable=True) as url:
        answer = ask(url)

    assert (begun, cleared, left, answer) == (True, True, [], 1)


def test_a_database_is_created_once_however_many_ask() -> None:
    with postgres.test_server(), ThreadPoolExecutor() as pool:
        cluster = Cluster(*binaries.settle(postgres.STATE / "test-postgres"), durable=False)
        name = f"created_once_{os.getpid()}"
        urls = set(pool.map(lambda _: cluster.create_database(name), range(4)))

        assert [ask(url, "SELECT current_database()") for url in urls] == [name]


def test_a_command_gets_the_persons_own_database_and_its_exit_code_is_passed_on() -> None:
    code = "import os, sys; print(os.environ['DATABASE_URL']); sys.exit(7)"
    done = run(*MODULE, "python", "-c", code, DATABASE_URL=ELSEWHERE)

    assert (done.stdout, done.stderr, done.returncode) == (f"{ELSEWHERE}\n", "", 7)


def test_a_command_that_is_missing_or_unknown_is_answered_with_an_example() -> None:
    nothing, unknown = run(*MODULE), run(*MODULE, "no-such-command", DATABASE_URL=ELSEWHERE)

    assert (nothing.returncode, nothing.stderr) == (2, f"{postgres.USAGE}\n")
    assert (unknown.returncode, unknown.stderr) == (1, f"There is no command no-such-command. {postgres.USAGE}\n")


def test_a_variable_of_the_environment_wins_over_the_env_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("PATH=/nowhere\nONLY_IN_FILE=yes\nEMPTY=\n")
    names = "PATH", "ONLY_IN_FILE", "EMPTY", "NOWHERE"

    values = [postgres.setting(name, tmp_path / ".env") for name in names]

    assert values == [os.environ["PATH"], "yes", None, None]


def test_the_tests_never_use_the_database_that_a_person_named() -> None:
    code = "from devtools import postgres\nwith postgres.test_server() as url: print(url)"
    done = run("-c", code, DATABASE_URL=ELSEWHERE)

    assert done.stdout.startswith("postgresql://app:")
    assert "@127.0.0.1:" in done.stdout
