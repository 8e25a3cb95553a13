"""One embedded server: made whole or not at all, recognised for certain, stopped for good."""

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
from devtools.tests.users import ask, guards_leave, kill, listens, user, within

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills processes by POSIX signals")


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


def test_durable_data_and_its_port_survive_the_stop(kept: Path) -> None:
    with postgres.server(kept, durable=True) as first:
        ask(first, "CREATE TABLE kept (id int)")
        fsync = ask(first, "SHOW fsync")
    stopped = within(3, lambda: not listens(first))
    with postgres.server(kept, durable=True) as second:
        count = ask(second, "SELECT count(*) FROM kept")

    assert (fsync, stopped, count, second) == ("on", True, 0, first)


def pg_ctl(folder: Path, *arguments: str) -> int:
    """Run pg_ctl on the server of `folder`."""
    programs = binaries.settle(folder)[1]
    return programs.run("pg_ctl", *arguments, "-D", str(folder / "data"), log=folder / "commands.log")


def test_a_server_that_crashed_is_not_mistaken_for_a_stranger_on_its_port(kept: Path) -> None:
    with postgres.server(kept, durable=True) as url:
        kill(int((kept / "data" / "postmaster.pid").read_text().split()[0]))
        if not within(3, lambda: pg_ctl(kept, "status") != 0):
            pytest.skip("the first process of this container does not reap orphans, so a killed one stays for ever")
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
    """As when somebody takes the free port before the server does."""
    with postgres.server(kept, durable=True):
        place, programs = binaries.settle(kept)
    assert guards_leave(kept)
    clumsy = kept.with_name("clumsy")
    clumsy.mkdir()
    script = f'#!/bin/sh\nif mkdir "{clumsy}/tried"; then exit 1; else exec "{programs.folder}/pg_ctl" "$@"; fi\n'
    (clumsy / "pg_ctl").write_text(script)
    (clumsy / "pg_ctl").chmod(0o755)
    programs.own(clumsy)
    cluster = Cluster(place, Programs(clumsy, programs.account), durable=True)
    cluster.start()
    alive = cluster.is_alive()
    cluster.stop()

    assert ((clumsy / "tried").exists(), alive, cluster.is_alive()) == (True, True, False)


def test_a_process_id_that_belongs_to_somebody_else_by_now_is_not_a_server(kept: Path) -> None:
    with postgres.server(kept, durable=True):
        cluster = Cluster(*binaries.settle(kept), durable=True)
        notes = (kept / "data" / "postmaster.pid").read_text().splitlines()
    assert guards_leave(kept)
    with subprocess.Popen(["/bin/sleep", "30"], **binaries.run_as(cluster.programs.account)) as somebody:
        stale = kept / "data" / "postmaster.pid"
        stale.write_text("\n".join([str(somebody.pid), *notes[1:]]))
        alive = cluster.is_alive()
        stale.unlink()
        somebody.kill()

    assert not alive


@pytest.mark.usefixtures("server_url")
def test_a_database_is_created_once_however_many_ask() -> None:
    cluster = Cluster(*binaries.settle(postgres.STATE / "test-postgres"), durable=False)
    name = f"created_once_{os.getpid()}"
    with ThreadPoolExecutor() as pool:
        urls = set(pool.map(lambda _: cluster.create_database(name), range(4)))

    assert [ask(url, "SELECT current_database()") for url in urls] == [name]
