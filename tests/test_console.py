"""Deleting the folder of the developer's console removes the console: the service has no reference to the folder."""

import shutil
from collections.abc import Callable
from pathlib import Path

from tests.programs import find_uv, must, run

PYTHON = ["run", "--no-sync", "python", "-m"]


def test_the_console_leaves_whole(service: Callable[[str], Path], workshop: Path) -> None:
    full, folder = service("full"), workshop / "without_console"
    shutil.copytree(full, folder, ignore=shutil.ignore_patterns(".venv", ".devtools", ".ruff_cache", "__pycache__"))
    (folder / ".venv").symlink_to(full / ".venv")

    must(["rm", "-r", "devtools/console"], folder)
    must([find_uv(), *PYTHON, "ruff", "check"], folder)
    must([find_uv(), *PYTHON, "mypy", "devtools/run.py", "devtools/probe.py"], folder)
    assert " passed" in must([find_uv(), *PYTHON, "pytest", "-n0", "tests/test_documents.py"], folder)
    shown = run(["make", "top"], folder)
    assert (shown.returncode, shown.stdout) == (2, "This shows the data of devtools/console, which was deleted.\n")


def test_the_service_itself_has_no_trace_of_the_console(service: Callable[[str], Path]) -> None:
    full = service("full")
    files = [
        *(full / "app").rglob("*.*"),
        *(full / name for name in ("Dockerfile", "gunicorn.conf.py", ".env.example")),
    ]
    texts = {path: path.read_text("utf-8") for path in files if path.suffix != ".pyc"}

    assert [path for path, text in texts.items() if "devtools.console" in text or "_console" in text] == []
