"""The lifespan of the app: start-up opens each resource once, and a shutdown or a failed start-up closes them all."""

import subprocess
import sys

from anyio import to_thread
from fastapi import FastAPI

from app.capacity.bulkheads import AFTER_RESPONSE, BODIES
from app.resources import Resources
from app.settings.route_groups import PROBES
from tests.databases import ROOT, make_settings, opened


async def test_the_resources_are_complete_when_the_app_has_started(committed_app: FastAPI) -> None:
    resources: Resources = committed_app.state.resources

    assert resources.bulkheads.keys() == {
        *resources.plan.route_groups,
        *PROBES,
        BODIES,
        AFTER_RESPONSE,
    }


def test_the_resources_load_no_heavy_package() -> None:
    """Importing `app.resources` for annotations must not import SQLAlchemy, FastAPI or pydantic, which are slow."""
    command = "import sys; import app.resources; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run(
        [sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout

    assert {"sqlalchemy", "fastapi", "pydantic", "structlog"}.intersection(loaded.split()) == set()


async def test_the_pool_and_the_threads_have_the_sizes_of_the_plan(committed_url: str) -> None:
    settings = make_settings(committed_url, database_pool_limit=3, thread_tokens=7, web_concurrency=1)
    async with opened(settings) as resources:
        sizes = (resources.engine.pool.size(), to_thread.current_default_thread_limiter().total_tokens)  # type: ignore[attr-defined] # SQLAlchemy's base class of pools has no `size`

    assert sizes == (3, 7)
