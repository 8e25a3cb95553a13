"""Put the routes of all experiments together."""

from fastapi import FastAPI

from lab.service import calls, computing, database, waits


def build_app(database_url: str | None, neighbour: str) -> FastAPI:
    """Return the application.

    Args:
        database_url: of PostgreSQL; None leaves those routes out.
        neighbour: where another of these services runs, for the calls to it.
    """
    app = FastAPI(openapi_url=None)
    app.include_router(waits.build_router())
    app.include_router(computing.build_router())
    app.include_router(calls.build_router(neighbour))
    if database_url:
        app.include_router(database.build_router(database_url))
    return app
