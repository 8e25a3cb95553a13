"""An embedded PostgreSQL server in a folder: create, start, recognise, stop and delete the server.

The folder holds PostgreSQL's `data`, `password`, the last `port` and two logs. The folder is renamed into place when it
is complete, and renamed away before it is deleted: a process that is killed half way leaves nothing that looks like a
server. The caller holds the locks of `devtools.shared_server`.
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
"""The first version of PostgreSQL with the builtin locale provider, which sorts texts alike on every machine."""

SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''  # the path of a socket file has to be short, and TCP suffices
timezone = 'UTC'
log_timezone = 'UTC'
"""

THROWAWAY_SETTINGS = """
fsync = off  # a crash may lose all data: the server is made again in any case
synchronous_commit = off
full_page_writes = off
"""

START_ATTEMPTS = 5
"""Attempts to start a server: another program may take the free port, or a killed server's shared memory may remain."""

START_PAUSE_SECONDS = 0.2

ORPHAN_LOOKS = 10
ORPHAN_PAUSE_SECONDS = 0.1
"""Seconds between the 10 checks for an initdb or pg_ctl that still runs after its parent process was killed."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A PostgreSQL server in `folder`. A durable server keeps its data; a throwaway server is deleted when it stops."""

    folder: Path
    programs: Programs
    durable: bool

    @property
    def data(self) -> Path:
        """PostgreSQL's data folder inside the folder of the server."""
        return self.folder / "data"

    @property
    def port(self) -> str:
        """The port of the running server, read from PostgreSQL's postmaster.pid."""
        return self._pid_file_lines()[3]

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a database of the running server, with the password."""
        return f"postgresql://{USER}:{(self.folder / 'password').read_text()}@127.0.0.1:{self.port}/{database}"

    def is_alive(self) -> bool:
        """Tell whether the PostgreSQL server of this folder runs and answers.

        Both the process id and the port are checked: after a crash, either may belong to a different process.
        """
        lines = self._pid_file_lines()
        return lines[7:] == ["ready"] and listens(int(lines[3])) and self._control("status") == 0

    def start(self) -> None:
        """Start the PostgreSQL server, after `initdb` when the folder has no data yet."""
        _remove_leftovers(self.folder)
        if not self.durable:
            _remove(self.folder)  # a crashed server's data may be broken, as the server ran without fsync
        if not self.data.exists():
            self._make()
        for log in self._logs():
            log.unlink(missing_ok=True)
        for attempt in range(START_ATTEMPTS):
            time.sleep(START_PAUSE_SECONDS if attempt else 0)
            port = free_port(0 if attempt else self._last_port())
            started = self._control("start", "-w", "-o", f"-p {port}", "-l", str(self.folder / "server.log")) == 0
            # A pg_ctl whose parent process was killed may still run, and may have started the server meanwhile.
            if started or self.is_alive():
                (self.folder / "port").write_text(self.port)
                return
        raise ServerError(f"PostgreSQL does not start in {self.folder}. Its log names the reason:\n{self._log_tail()}")

    def stop(self) -> None:
        """Stop the PostgreSQL server; delete the folder unless the server is durable."""
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
        """Create a database unless it exists, and return its URL; several processes may do this at the same time."""
        code, output = self._client("createdb", name)
        if code and "already exists" not in output:
            raise ServerError(f"Database {name} cannot be created: {output}")
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drop a database, even if it has open connections."""
        self._client("dropdb", "--if-exists", "--force", name)

    def _client(self, program: str, *arguments: str) -> tuple[int, str]:
        log = self.folder / f"{program}-{secrets.token_hex(4)}.log"
        password = (self.folder / "password").read_text()
        address = ("--host=127.0.0.1", f"--port={self.port}", f"--username={USER}", "--maintenance-db=postgres")
        code = self.programs.run(program, *address, *arguments, log=log, environment={"PGPASSWORD": password})
        output = log.read_text(errors="replace")
        log.unlink()
        return code, output

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
        """Return fixed locale options for initdb: PostgreSQL may not know the locale of the developer's shell."""
        self.programs.run("postgres", "--version", log=log)
        version = re.search(r"PostgreSQL\) (\d+)", log.read_text())
        modern = version is not None and int(version[1]) >= FIRST_MODERN_LOCALE
        builtin = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"] if modern else []
        return ["--encoding=UTF8", "--locale=C", *builtin]

    def _control(self, action: str, *options: str) -> int:
        return self.programs.run("pg_ctl", action, "-D", str(self.data), *options, log=self.folder / "commands.log")

    def _pid_file_lines(self) -> list[str]:
        """Return the lines of PostgreSQL's postmaster.pid: the fourth is the port, the eighth the state."""
        try:
            return [line.strip() for line in (self.data / "postmaster.pid").read_text().splitlines()]
        except FileNotFoundError:
            return []

    def _last_port(self) -> int:
        """Return the server's last port, or 0: on the same port, connections saved in SQL tools stay valid."""
        try:
            return int((self.folder / "port").read_text())
        except (OSError, ValueError):
            return 0

    def _logs(self) -> list[Path]:
        return [self.folder / "server.log", self.folder / "commands.log"]

    def _log_tail(self) -> str:
        tails = (log.read_text(errors="replace").splitlines()[-5:] for log in self._logs() if log.exists())
        return "\n".join(f"  {line}" for tail in tails for line in tail)


def _remove(folder: Path) -> None:
    """Rename a server's folder, then delete it, so that no process ever sees an incomplete server folder."""
    if folder.exists():
        renamed = Path(tempfile.mkdtemp(prefix=f"{folder.name}.old-", dir=folder.parent))
        folder.replace(renamed / "folder")
        shutil.rmtree(renamed, ignore_errors=True)


def _remove_leftovers(folder: Path) -> None:
    """Delete incomplete PostgreSQL folders of killed processes; repeat this, as an orphaned initdb may still write."""
    for _ in range(ORPHAN_LOOKS):
        leftovers = list(folder.parent.glob(f"{folder.name}.[no][el][wd]-*"))
        if not leftovers:
            break
        for leftover in leftovers:
            shutil.rmtree(leftover, ignore_errors=True)
        time.sleep(ORPHAN_PAUSE_SECONDS)
