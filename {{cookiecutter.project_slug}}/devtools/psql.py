"""The command that opens a database in psql, PostgreSQL's own client."""

import re
import shutil
from urllib.parse import unquote, urlsplit, urlunsplit

from devtools.binaries import find


def command(url: str, arguments: list[str]) -> tuple[list[str], dict[str, str]]:
    """Return the psql command for the database of `url`, and the environment variable PGPASSWORD.

    The password is not an argument, since `ps` shows a program's arguments to all users. A psql on the PATH is
    preferred: the wheel's psql has no line editing on some platforms.
    """
    parts = urlsplit(url)
    password = parts.password or ""
    query = re.sub(r"\bssl=", "sslmode=", parts.query)  # asyncpg's parameter `ssl` is `sslmode` for libpq
    bare = urlunsplit(("postgresql", parts.netloc.replace(f":{password}@", "@"), parts.path, query, ""))
    program = shutil.which("psql") or str(find() / "psql")
    return [program, f"--dbname={bare}", *arguments], {"PGPASSWORD": unquote(password)}
