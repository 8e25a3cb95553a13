"""Let the service's own interpreter measure something in one process, and read what it found."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.programs import background, environment

from benchmarks.build import BUILD, PYTHON, SERVICE
from benchmarks.variants import OURS, VARIANTS


class InsideError(Exception):
    """The measuring program failed; the message is the end of what it said."""


LINES = 15


def measure(module: str, *arguments: str, database_url: str, logs: Path) -> Any:  # noqa: ANN401 - JSON
    """Run a module of the service's folder that writes JSON into the file of its first argument; return that.

    Raises:
        InsideError: it wrote nothing.
    """
    target, log = BUILD / f"{module}.json", logs / f"{module}.log"
    target.unlink(missing_ok=True)
    command = [str(PYTHON), "-m", module, str(target), *arguments]
    with background(command, SERVICE, _as_ours(database_url), log) as program:
        program.process.wait()
    if not target.exists():
        raise InsideError("\n".join([f"{module} failed:", *program.output().splitlines()[-LINES:]]))
    return json.loads(target.read_text("utf-8"))


def _as_ours(database_url: str) -> Mapping[str, str]:
    """Return the environment of the generated service in one process, as production has it."""
    ours = next(variant for variant in VARIANTS if variant.name == OURS)
    return environment({"DATABASE_URL": database_url, "WEB_CONCURRENCY": "1", **ours.environment})
