"""The table of peers: services made from other templates, each at a pinned commit; a new peer is a new row."""

from collections.abc import Mapping
from dataclasses import dataclass, field

NO_DATABASE, LIST = "no database", "list 10 rows"

OURS: Mapping[str, str] = {NO_DATABASE: "/api/v1/item-kinds", LIST: "/api/v1/orders?limit=10"}
"""The requests by which our service is compared with peers, each with the path in our service."""


@dataclass(frozen=True, slots=True, eq=False)
class Peer:
    """A template of other authors, how a service is made from the template, and how that service runs in production.

    The commands and the values of the environment may contain {port}, {host}, and {database_port}, {user}, {password}
    and {name} of the peer's database.
    """

    name: str
    address: str
    commit: str
    make: tuple[str, ...]
    """The commands that make the service and the tables; the commands run in `folder` below the checkout."""
    serve: str
    """The production command of the template's own image, with two workers like our service."""
    paths: Mapping[str, str]
    """The path of each compared request that the service answers without a login."""
    folder: str = "."
    environment: Mapping[str, str] = field(default_factory=dict)


ANSWERS = "--api-type rest --db postgresql --orm sqlalchemy --ci none --migrations --dummy --routers --gunicorn"
"""The answers to the questions of a peer that generates code, chosen as near as possible to our default service."""

PEERS = (
    Peer(
        "minimal-fastapi-postgres-template",
        "https://github.com/rafsaf/minimal-fastapi-postgres-template",
        "1976e4d99342c13194907a874c19cfd0d11909a9",
        make=("uv sync --no-dev", "uv pip install uvicorn[standard]", ".venv/bin/alembic upgrade head"),
        serve=".venv/bin/uvicorn app.main:app --host 127.0.0.1 --port {port} --workers 2 --loop uvloop",
        paths={NO_DATABASE: "/probe/live"},
        environment={
            "SECURITY__JWT_SECRET_KEY": "a-secret-of-the-benchmark-that-is-long-enough",
            "DATABASE__HOSTNAME": "{host}",
            "DATABASE__PORT": "{database_port}",
            "DATABASE__USERNAME": "{user}",
            "DATABASE__PASSWORD": "{password}",
            "DATABASE__DB": "{name}",
        },
    ),
    Peer(
        "full-stack-fastapi-template",
        "https://github.com/fastapi/full-stack-fastapi-template",
        "6002cf5da3adcd91381cc3d4239f7fcb99b3a308",
        make=("uv sync --no-dev", ".venv/bin/alembic upgrade head"),
        serve=".venv/bin/fastapi run --host 127.0.0.1 --port {port} --workers 2 app/main.py",
        paths={NO_DATABASE: "/api/v1/utils/health-check/"},
        folder="backend",
        environment={
            "PROJECT_NAME": "peer",
            "ENVIRONMENT": "production",
            "SECRET_KEY": "a-secret-of-the-benchmark-that-is-long-enough",
            "FIRST_SUPERUSER": "admin@example.com",
            "FIRST_SUPERUSER_PASSWORD": "benchmark-only",
            "POSTGRES_SERVER": "{host}",
            "POSTGRES_PORT": "{database_port}",
            "POSTGRES_USER": "{user}",
            "POSTGRES_PASSWORD": "{password}",
            "POSTGRES_DB": "{name}",
        },
    ),
    Peer(
        "FastAPI-template",
        "https://github.com/s3rius/FastAPI-template",
        "89c884d7645605f3779826606640ecec036d9af0",
        make=(
            f"uv tool run --from . fastapi_template --name peer --quiet --force {ANSWERS}",
            "uv sync --no-dev --project peer --directory peer",
            "uv run --no-sync --directory peer alembic upgrade head",
        ),
        serve="uv run --no-sync --directory peer python -m peer",
        paths={NO_DATABASE: "/api/health", LIST: "/api/dummy/"},
        environment={
            "PEER_HOST": "127.0.0.1",
            "PEER_PORT": "{port}",
            "PEER_WORKERS_COUNT": "2",
            "PEER_DB_HOST": "{host}",
            "PEER_DB_PORT": "{database_port}",
            "PEER_DB_USER": "{user}",
            "PEER_DB_PASS": "{password}",
            "PEER_DB_BASE": "{name}",
        },
    ),
)
