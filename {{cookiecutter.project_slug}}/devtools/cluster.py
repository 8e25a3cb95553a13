"""One embedded PostgreSQL server and its folder: make, start, recognise, stop, delete.

The folder holds `data` (PostgreSQL's own), `password`, the last `port` and two logs. It appears by a rename once it is
whole and disappears by a rename before it is deleted: what is killed half way leaves nothing that looks like a server.
Nobody calls this without the locks of `devtools.guard`.
"""

import re
import secrets
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from devtools.binaries import Programs, ServerError
from devtools.ports import free_port, listens

USER = "app"

FIRST_MODERN_LOCALE = 17
"""The major version that knows the builtin locale provider: the same sort order on every machine."""

SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''  # its path would have to be short, and TCP does
timezone = 'UTC'
log_timezone = 'UTC'
"""

THROWAWAY_SETTINGS = """
fsync = off  # a crash may lose everything: it is made anew anyway
synchronous_commit = off
full_page_writes = off
"""

START_ATTEMPTS = 5
"""A free port can be taken before the server binds it, and a killed server's memory is released a moment later."""

START_PAUSE_SECONDS = 0.2

ORPHAN_LOOKS = 10
ORPHAN_PAUSE_SECONDS = 0.1
"""The initdb or pg_ctl of a caller that was killed lives on for a moment: one second of looking finds it."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """The server that lives in `folder`; a durable one keeps its data, any other is deleted when it stops."""

    folder: Path
    programs: Programs
    durable: bool

    @property
    def data(self) -> Path:
        """Where PostgreSQL keeps its files."""
        return self.folder / "data"

    @property
    def port(self) -> str:
        """The port of the running server, as PostgreSQL itself noted it."""
        return self._notes()[3]

    def url(self, database: str = "postgres") -> str:
        """Return the address of a database of the running server."""
        return f"postgresql://{USER}:{(self.folder / 'password').read_text()}@127.0.0.1:{self.port}/{database}"

    def is_alive(self) -> bool:
        """Tell whether this very server answers.

        A process id alone may be stale and belong to anybody by now, and so may a port: it takes both.
        """
        notes = self._notes()
        return notes[7:] == ["ready"] and listens(int(notes[3])) and self._control("status") == 0

    def start(self) -> None:
        """Start the server, and make it first if it is not there yet."""
        _remove_leftovers(self.folder)
        if not self.durable:
            _remove(self.folder)  # it was not stopped in order, and without fsync its files mean nothing
        if not self.data.exists():
            self._make()
        for log in self._logs():
            log.unlink(missing_ok=True)
        for attempt in range(START_ATTEMPTS):
            time.sleep(START_PAUSE_SECONDS if attempt else 0)
            port = free_port(0 if attempt else self._last_port())
            started = self._control("start", "-w", "-o", f"-p {port}", "-l", str(self.folder / "server.log")) == 0
            if started or self.is_alive():  # of two starters, when the first was killed and its pg_ctl lives on
                (self.folder / "port").write_text(self.port)
                return
        raise ServerError(f"PostgreSQL does not start in {self.folder}:\n{self._log_tail()}")

    def stop(self) -> None:
        """Stop the server if it runs; delete the folder unless it is durable."""
        for _ in range(ORPHAN_LOOKS):
            if self.is_alive():
                break
            time.sleep(ORPHAN_PAUSE_SECONDS)
        if self.data.exists():
            self._control("stop", "-w", "-m", "fast" if self.durable else "immediate")
        if not self.durable:
            _remove(self.folder)
        _remove_leftovers(self.folder)

    def create_database(self, name: str) -> str:
        """Create a database unless it exists and return its address; callers may race."""
        code, said = self._client("createdb", name)
        if code and "already exists" not in said:
            raise ServerError(f"Database {name} cannot be created: {said}")
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drop a database, whoever still uses it."""
        self._client("dropdb", "--if-exists", "--force", name)

    def _client(self, program: str, *arguments: str) -> tuple[int, str]:
        log = self.folder / f"{program}-{secrets.token_hex(4)}.log"
        password = (self.folder / "password").read_text()
        address = ("--host=127.0.0.1", f"--port={self.port}", f"--username={USER}", "--maintenance-db=postgres")
        code = self.programs.run(program, *address, *arguments, log=log, environment={"PGPASSWORD": password})
        said = log.read_text(errors="replace")
        log.unlink()
        return code, said

    def _make(self) -> None:
        unfinished = Path(tempfile.mkdtemp(prefix=f"{self.folder.name}.new-", dir=self.folder.parent))
        password = unfinished / "password"
        password.touch(mode=0o600)
        password.write_text(secrets.token_hex(16))
        for path in (unfinished, password):
            self.programs.own(path)
        log = unfinished / "commands.log"
        options = [*self._locale(log), *([] if self.durable else ["--no-sync"])]
        login = ["--username", USER, "--auth=scram-sha-256", f"--pwfile={password}"]
        if self.programs.run("initdb", "-D", str(unfinished / "data"), *login, *options, log=log):
            raise ServerError(f"PostgreSQL's initdb failed:\n{log.read_text(errors='replace')}")
        with (unfinished / "data" / "postgresql.conf").open("a") as configuration:
            configuration.write(SETTINGS + ("" if self.durable else THROWAWAY_SETTINGS))
        unfinished.replace(self.folder)

    def _locale(self, log: Path) -> list[str]:
        """Nothing of the person's own locale gets in: it may not exist here, and messages must be readable."""
        self.programs.run("postgres", "--version", log=log)
        version = re.search(r"PostgreSQL\) (\d+)", log.read_text())
        modern = version is not None and int(version[1]) >= FIRST_MODERN_LOCALE
        builtin = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if modern else []
        return ["--encoding=UTF8", "--locale=C", *builtin]

    def _control(self, action: str, *options: str) -> int:
        return self.programs.run("pg_ctl", action, "-D", str(self.data), *options, log=self.folder / "commands.log")

    def _notes(self) -> list[str]:
        """The lines of postmaster.pid: the fourth is the port, the eighth the state."""
        try:
            return [line.strip() for line in (self.data / "postmaster.pid").read_text().splitlines()]
        except FileNotFoundError:
            return []

    def _last_port(self) -> int:
        """The port of last time, so that a database tool's saved connection stays valid; 0 if there is none."""
        try:
            return int((self.folder / "port").read_text())
        except (OSError, ValueError):
            return 0

    def _logs(self) -> list[Path]:
        return [self.folder / "server.log", self.folder / "commands.log"]

    def _log_tail(self) -> str:
        lines = [
            line for log in self._logs() if log.exists() for line in log.read_text(errors="replace").splitlines()[-5:]
        ]
        return "\n".join(f"  {line}" for line in lines)


def _remove(folder: Path) -> None:
    """Delete a folder so that nobody can ever see half of it."""
    if folder.exists():
        doomed = Path(tempfile.mkdtemp(prefix=f"{folder.name}.old-", dir=folder.parent))
        folder.replace(doomed / "folder")
        shutil.rmtree(doomed, ignore_errors=True)


def _remove_leftovers(folder: Path) -> None:
    """Delete what was being made or deleted when its process was killed; an initdb that lives on writes more of it."""
    for _ in range(ORPHAN_LOOKS):
        leftovers = list(folder.parent.glob(f"{folder.name}.[no][el][wd]-*"))
        if not leftovers:
            break
        for leftover in leftovers:
            shutil.rmtree(leftover, ignore_errors=True)
        time.sleep(ORPHAN_PAUSE_SECONDS)
