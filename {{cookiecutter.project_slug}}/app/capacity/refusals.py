"""Error messages for a capacity plan that needs too many connections, each with the numbers and settings to change."""

from app.settings.capacity import CapacitySettings


def too_many_processes(settings: CapacitySettings, *, workers: int, surge: int, probe: int) -> str:
    """Return the error message for a plan with more processes than database connections."""
    overflow = settings.database_max_overflow
    processes = workers * (settings.replicas + surge)
    need = f"{1 + overflow + probe} each (1 pool + {overflow} overflow + {probe} probe)"
    replicas = f"({settings.replicas} + {surge} rolling out) replicas"
    who = f"{workers} workers x {replicas} = {processes} processes need {need}"
    fewer = "Lower WEB_CONCURRENCY or REPLICAS" + (" or DATABASE_MAX_OVERFLOW" if overflow else "")
    if settings.database_pgbouncer_connections is not None:
        return (
            f"{who}, but PgBouncer accepts {settings.database_pgbouncer_max_client_conn} client connections. {fewer}, "
            "or raise PgBouncer's max_client_conn and DATABASE_PGBOUNCER_MAX_CLIENT_CONN with it."
        )
    # {% if cookiecutter.jobs == "yes" %}
    if beside := settings.jobs.connections(processes):
        who += f" beside {beside} of jobs and streams (JOBS__WORKERS)"
    # {% endif %}
    return (
        f"{who}, but {settings.database_max_connections} - {settings.database_reserved_connections} database "
        f"connections are all there is. {fewer}, raise the server's max_connections and DATABASE_MAX_CONNECTIONS "
        "with it, or put PgBouncer in between and set DATABASE_PGBOUNCER_CONNECTIONS."
    )


def too_large_a_pgbouncer(settings: CapacitySettings) -> str:
    """Return the error message for a PgBouncer that may open more connections than PostgreSQL has for the service."""
    return (
        f"PgBouncer may open {settings.database_pgbouncer_connections} connections, but the server has "
        f"{settings.database_max_connections} - {settings.database_reserved_connections} for it. Lower PgBouncer's "
        "default_pool_size and DATABASE_PGBOUNCER_CONNECTIONS with it, or raise the server's max_connections and "
        "DATABASE_MAX_CONNECTIONS."
    )
