"""Measurements inside the service's Python: runs a module of the overlay there, and reads its JSON output."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.build import BUILD, PYTHON, SERVICE_FOLDER
from benchmarks.servers import UNUSED
from benchmarks.variants import SERVICE, VARIANTS
from tests.programs import background, environment


class InProcessError(Exception):
    """The measuring program failed; the message is the end of its output."""


LINES = 15
"""The number of output lines in an error message: enough for the end of a traceback."""


def run(module: str, *arguments: str, database_url: str, logs: Path) -> Any:  # noqa: ANN401 - Any stands for JSON values
    """Run a module, which writes JSON into the file named by its first argument, and return the JSON.

    Raises:
        InProcessError: the module wrote nothing.
    """
    target, log = BUILD / f"{module}.json", logs / f"{module}.log"
    target.unlink(missing_ok=True)
    command = [str(PYTHON), "-m", module, str(target), *arguments]
    with background(command, SERVICE_FOLDER, _service_environment(database_url), log) as program:
        program.process.wait()
    if not target.exists():
        raise InProcessError("\n".join([f"{module} failed:", *program.output().splitlines()[-LINES:]]))
    return json.loads(target.read_text("utf-8"))


def _service_environment(database_url: str) -> Mapping[str, str]:
    """Return the production environment variables for the generated service in a single process."""
    service = next(variant for variant in VARIANTS if variant.name == SERVICE)
    return environment({"DATABASE_URL": database_url, "WEB_CONCURRENCY": "1", **UNUSED, **service.environment})
