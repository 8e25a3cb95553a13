"""Streams need no jobs: without `app/jobs/`, a service passes all checks, and the tests of streams pass."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.programs import find_uv, must

OF_JOBS = (
    *("app/jobs", "app/orders/imports.py", "app/orders/jobs.py", "tests/jobs"),
    *("tests/pgbouncer/test_notifications.py", "tests/streams/test_page.py"),
)
"""The files to delete: the folder of jobs, files that import from this folder, and a page that shows jobs."""

WIRED = re.compile(r"^.*(app\.jobs|app\.orders\.imports|include_router\((jobs|imports)\)).*\n", re.MULTILINE)
"""Matches the lines of `app/main.py` that add jobs to the application."""


def test_streams_work_without_jobs(service: Callable[[str], Path], workshop: Path) -> None:
    full, folder = service("full"), workshop / "streams"
    shutil.copytree(full, folder, ignore=shutil.ignore_patterns(".venv", ".devtools", ".*_cache", "__pycache__"))
    (folder / ".venv").symlink_to(full / ".venv")
    for name in OF_JOBS:
        shutil.rmtree(folder / name) if (folder / name).is_dir() else (folder / name).unlink()
    main = folder / "app/main.py"
    main.write_text(WIRED.sub("", main.read_text("utf-8")).replace("[JobEvents()]", "[]"), "utf-8")

    python = [find_uv(), "run", "--no-sync", "python", "-m"]
    must([*python, "ruff", "check", "app"], folder)
    must([*python, "mypy", "app"], folder)
    assert " passed" in must([*python, "pytest", "-n2", "tests/streams"], folder)
