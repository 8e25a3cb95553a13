"""The AGENTS.md of a service is short, and each row in the table names the test that enforces the row."""

import re
from pathlib import Path

import pytest

from tests.programs import run
from tests.repository import EVERYTHING, Answers, render

MAX_LINES = 60
KINDS: dict[str, Answers] = {
    "default": {},
    "everything": EVERYTHING,
    "bare": {"example": "no", "http_client": "none"},
}
ROW = re.compile(r"^\| (?P<convention>.+) \| (?P<held_by>.+) \|$", re.MULTILINE)


@pytest.fixture(params=KINDS)
def folder(request: pytest.FixtureRequest, template: Path, tmp_path: Path) -> Path:
    """Return a rendered service, for each of several sets of answers."""
    return render(template, tmp_path, KINDS[request.param])


def test_the_conventions_are_short_and_each_is_held_by_a_file_that_is_there(folder: Path) -> None:
    text = (folder / "AGENTS.md").read_text("utf-8")
    commands, *conventions = (part for part in text.split("\n## ")[1:])
    rows = [
        row for part in conventions for row in ROW.finditer(part) if row["convention"] not in {"convention", "rule"}
    ]
    outside = [line for part in conventions for line in part.splitlines()[1:] if line and not line.startswith("|")]

    assert len(text.splitlines()) <= MAX_LINES
    assert outside == []
    assert rows
    assert [row["held_by"] for row in rows if not (folder / row["held_by"].strip("`")).is_file()] == []
    assert all(f"\n{target}:" in (folder / "Makefile").read_text() for target in re.findall(r"`make (\w+)", commands))


PLANTED = {
    "app/limits/planted.py": "import app.main\n",
    "app/planted/routes.py": "from sqlalchemy import select\n",
    "app/planted/service.py": "import fastapi\nimport httpx\nimport os\nX = os.environ\n",
    "app/planted/repository.py": "from app.planted import routes\nfrom app.orders import models\n",
    "app/planted/models.py": "def late():\n    import json\n" + "    print()\n" * 40,
    "app/planted/web.py": "from starlette.middleware.base import BaseHTTPMiddleware\nX = 1  # noqa\n",
}
"""Files of a new feature that break the conventions of imports and of the linter, for tests that have to find each."""

FOUND = {
    "test_a_feature_never_imports_a_feature",
    "test_a_function_is_at_most_40_lines_and_a_file_at_most_200",
    "test_every_module_has_a_docstring",
    "test_imports_go_down_the_layers",
    "test_inside_a_feature_imports_go_down_only",
    "test_no_import_stands_inside_a_function",
    "test_nothing_imports_main",
    "test_services_import_no_web_framework_and_routes_no_sql",
    "test_the_environment_is_read_by_the_settings_only",
    "test_the_http_library_is_imported_in_downstreams_only[httpx]",
}


def test_a_planted_breach_of_the_conventions_is_found_by_the_files_that_hold_them(copied: Path) -> None:
    for name, text in PLANTED.items():
        (copied / name).parent.mkdir(exist_ok=True)
        (copied / name).write_text(text)
    python = copied / ".venv/bin/python"
    judged = run([python, "-m", "pytest", "-n0", "-q", "tests/test_architecture.py", "tests/test_layers.py"], copied)
    linted = run([python, "-m", "ruff", "check", "--output-format=concise", "app/planted/web.py"], copied)

    assert {line.split("::")[1] for line in re.findall(r"^FAILED (\S+)", judged.stdout, re.MULTILINE)} >= FOUND
    assert set(re.findall(r"web\.py:\d+:\d+: (TID251|PGH004)", linted.stdout)) == {"TID251", "PGH004"}
