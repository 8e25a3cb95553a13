"""A PostgreSQL server in a folder is created completely or not at all, reliably recognised, and stopped for good."""

import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from devtools import binaries, postgres
from devtools.binaries import Programs
from devtools.cluster import Cluster
from devtools.ports import free_port
from devtools.tests.server_users import ask, guards_leave, kill, listens, soon, user, within

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills processes by POSIX signals")


def test_a_server_answers_and_disappears_with_its_folder_afterwards(folder: Path) -> None:
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
    assert soon(lambda: not listens(url) and not folder.exists())


def test_durable_data_and_its_port_survive_the_stop(kept: Path) -> None:
    with postgres.server(kept, durable=True) as first:
        ask(first, "CREATE TABLE kept (id int)")
        fsync = ask(first, "SHOW fsync")
    stopped = soon(lambda: not listens(first))
    with postgres.server(kept, durable=True) as second:
        count = ask(second, "SELECT count(*) FROM kept")

    assert (fsync, stopped, count, second) == ("on", True, 0, first)


def pg_ctl(folder: Path, *arguments: str) -> int:
    """Run PostgreSQL's pg_ctl on the server of `folder`, and return the exit code."""
    programs = binaries.settle(folder)[1]
    return programs.run("pg_ctl", *arguments, "-D", str(folder / "data"), log=folder / "commands.log")


def test_a_foreign_server_on_the_port_of_a_crashed_server_is_not_mistaken_for_it(kept: Path) -> None:
    with postgres.server(kept, durable=True) as url:
        kill(int((kept / "data" / "postmaster.pid").read_text().split()[0]))
        if not within(3, lambda: pg_ctl(kept, "status") != 0):
            pytest.skip("the first process of this container does not reap orphans, so a killed one stays for ever")
        with socket.create_server(("127.0.0.1", urlsplit(url).port or 0)), postgres.server(kept, durable=True) as new:
            answer = ask(new)

    assert answer == 1
    assert new != url


def test_an_initdb_killed_half_way_leaves_no_folder_that_looks_like_a_server(folder: Path) -> None:
    """The initdb of a killed process still writes for a moment; the guard process deletes the new folder anyway."""
    with user(folder, durable=True) as process:
        begun = soon(lambda: any(folder.parent.glob("postgres.new-*/data/base")))
        process.kill()
        process.wait()
        cleared = guards_leave(folder)
        left = [path.name for path in folder.parent.iterdir() if path.is_dir()]

    assert (begun, cleared, left) == (True, True, [])


def test_a_server_whose_starter_was_killed_is_stopped_even_when_it_comes_up_late(kept: Path) -> None:
    with postgres.server(kept, durable=True):
        cluster = Cluster(*binaries.settle(kept), durable=True)
    assert guards_leave(kept)
    port = free_port()
    with ThreadPoolExecutor() as pool:
        stopping = pool.submit(cluster.stop)
        time.sleep(0.3)
        started = pg_ctl(kept, "start", "-W", "-o", f"-p {port}", "-l", os.devnull)
        stopping.result()

    assert started == 0
    assert not within(0.7, lambda: listens(f"//127.0.0.1:{port}"))


def test_a_start_that_fails_once_is_tried_again(kept: Path) -> None:
    """A start of PostgreSQL fails when a different program takes the free port first; `start` then tries again."""
    with postgres.server(kept, durable=True):
        settled, programs = binaries.settle(kept)
    assert guards_leave(kept)
    failing = kept.with_name("failing")
    failing.mkdir()
    script = f'#!/bin/sh\nif mkdir "{failing}/tried"; then exit 1; else exec "{programs.folder}/pg_ctl" "$@"; fi\n'
    (failing / "pg_ctl").write_text(script)
    (failing / "pg_ctl").chmod(0o755)
    programs.own(failing)
    cluster = Cluster(settled, Programs(failing, programs.account), durable=True)
    cluster.start()
    alive = cluster.is_alive()
    cluster.stop()

    assert ((failing / "tried").exists(), alive, cluster.is_alive()) == (True, True, False)


def test_a_process_id_that_belongs_to_a_different_process_by_now_is_not_a_server(kept: Path) -> None:
    with postgres.server(kept, durable=True):
        cluster = Cluster(*binaries.settle(kept), durable=True)
        lines = (kept / "data" / "postmaster.pid").read_text().splitlines()
    assert guards_leave(kept)
    with subprocess.Popen(["/bin/sleep", "300"], **binaries.run_as(cluster.programs.account)) as sleeper:
        stale = kept / "data" / "postmaster.pid"
        stale.write_text("\n".join([str(sleeper.pid), *lines[1:]]))
        alive = cluster.is_alive()
        stale.unlink()
        sleeper.kill()

    assert not alive


@pytest.mark.usefixtures("server_url")
def test_a_database_that_four_callers_create_at_the_same_time_is_created_once() -> None:
    cluster = Cluster(*binaries.settle(postgres.STATE / "test-postgres"), durable=False)
    name = f"created_once_{os.getpid()}"
    with ThreadPoolExecutor() as pool:
        urls = set(pool.map(lambda _: cluster.create_database(name), range(4)))

    assert [ask(url, "SELECT current_database()") for url in urls] == [name]
