"""Remove what the answers dropped, then say what to do next.

Cookiecutter renders this file and runs it with its own interpreter inside the new service. An option is a row of the
table: whole files and folders, nothing else. A second run finds nothing to remove and changes nothing.
"""

import json
import shutil
from pathlib import Path

ANSWERS: dict[str, str] = json.loads(
    r"""{{ {"example": cookiecutter.example, "ci": cookiecutter.ci, "http_client": cookiecutter.http_client,
    "slug": cookiecutter.project_slug} | tojson }}"""
)

DROPPED = {
    ("example", "no"): (
        "app/orders",
        "devtools/rates_stub.py",
        "migrations/versions/0003_orders.py",
        "devtools/tests/test_rates_stub.py",
        "tests/orders",
    ),
    ("ci", "github"): (".gitlab-ci.yml",),
    ("ci", "gitlab"): (".github",),
    ("ci", "none"): (".github", ".gitlab-ci.yml"),
    ("http_client", "httpx"): ("app/downstreams/names.py", "tests/downstreams/test_names.py"),
    ("http_client", "httpx2"): ("app/downstreams/engine.py",),
}


LEFTOVERS = (".devtools", ".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache", "__pycache__")
"""What tools left in the template's own folder while somebody worked on it; cookiecutter copies it like the rest."""


def remove(path: Path) -> None:
    """Delete a file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def main() -> None:
    """Apply the table to the current folder."""
    for answer in ANSWERS.items():
        for name in DROPPED.get(answer, ()):
            remove(Path(name))
    for name in LEFTOVERS:
        for path in sorted(Path().rglob(name)):
            remove(path)
    print(f"cd {ANSWERS['slug']}   # the new service")
    print("make setup   # install its packages and write uv.lock")
    print("make run   # serve it on this machine, with a PostgreSQL of its own")


if __name__ == "__main__":
    main()
