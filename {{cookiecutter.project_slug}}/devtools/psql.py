"""The command that opens a database in psql, PostgreSQL's own client."""

import re
import shutil
from urllib.parse import unquote, urlsplit, urlunsplit

from devtools.binaries import find


def command(url: str, arguments: list[str]) -> tuple[list[str], dict[str, str]]:
    """Return the psql command for the database of `url`, and the variable PGPASSWORD.

    The password is no argument, as `ps` shows the arguments of a program to all users. The psql of the PATH comes
    before the psql of the wheel, which has no line editing on some platforms.
    """
    parts = urlsplit(url)
    password = parts.password or ""
    query = re.sub(r"\bssl=", "sslmode=", parts.query)  # asyncpg's name for a parameter that libpq calls sslmode
    bare = urlunsplit(("postgresql", parts.netloc.replace(f":{password}@", "@"), parts.path, query, ""))
    program = shutil.which("psql") or str(find() / "psql")
    return [program, f"--dbname={bare}", *arguments], {"PGPASSWORD": unquote(password)}
