"""Print what the database needs before PgBouncer in transaction mode may stand in front: `python -m app.pgbouncer`.

Behind it a session lasts one transaction. What a connection brings along elsewhere, its time limits and that it only
reads, the role has to keep; then it costs no round trip. Each worker asks at its start whether this was run.
"""

from sqlalchemy.engine import make_url

from app.connection import enforced
from app.health.role_check import role_sql
from app.lifespan import limits_of
from app.settings import load_settings


def main() -> None:
    """Print the SQL for the role and the database that DATABASE_URL names."""
    settings = load_settings()
    url = make_url(settings.database_url.get_secret_value())
    print(role_sql(url.username or "", url.database or "", enforced(limits_of(settings))))  # noqa: T201 - a command


if __name__ == "__main__":
    main()
