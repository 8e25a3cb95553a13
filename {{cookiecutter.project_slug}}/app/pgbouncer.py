"""`python -m app.pgbouncer` prints the SQL that prepares a database role for PgBouncer in transaction mode.

Without PgBouncer, each connection sends the timeouts and the read-only default when it opens. Behind PgBouncer these
settings would be lost after a transaction, so the database role must have them. Each worker checks the role at its
start.
"""

from sqlalchemy.engine import make_url

from app.database.connection import enforced
from app.readiness.role import role_sql
from app.settings.load import load_settings


def main() -> None:
    """Print the SQL that prepares the role and the database of DATABASE_URL for PgBouncer."""
    settings = load_settings()
    url = make_url(settings.database_url.get_secret_value())
    print(role_sql(url.username or "", url.database or "", enforced(settings.database_timeouts)))  # noqa: T201 - a command prints the result


if __name__ == "__main__":
    main()
