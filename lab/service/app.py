"""The application of the lab, with the routes of all experiments."""

from fastapi import FastAPI

from lab.service import cpu, database, downstream_calls, waiting


def build_app(database_url: str | None, downstream_url: str) -> FastAPI:
    """Return the application with the routes of the lab.

    Args:
        database_url: of PostgreSQL; None leaves out the routes with a database.
        downstream_url: of a second instance of this application, which the routes with calls use.
    """
    app = FastAPI(openapi_url=None)
    app.include_router(waiting.build_router())
    app.include_router(cpu.build_router())
    app.include_router(downstream_calls.build_router(downstream_url))
    if database_url:
        app.include_router(database.build_router(database_url))
    return app
