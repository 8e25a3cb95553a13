"""Generate the service, install it, and add the `items` feature as a user would."""

import shutil
import sys
import tempfile
from pathlib import Path

from tests.programs import environment, find_uv, run
from tests.repository import ROOT, copy_template, render

BUILD = ROOT / ".build" / "bench"
SERVICE = BUILD / "order-service"
PYTHON = BUILD / "venv" / "bin" / "python"
"""Has the packages of the developers as well; the database and what is measured in one process run on it."""
LEAN_PYTHON = BUILD / "venv-lean" / "bin" / "python"
"""Has only what the service's image has, compiled as there. Servers run on it: httpx and structlog import rich where
they find it, and a file without bytecode is compiled at each start, which together take 5 MB of each worker."""
ADDED = Path(__file__).parent / "added"

MARK = "# yours below\n"
WIRING = ("from app.items.routes import router as items\n", "    app.include_router(items)\n")
"""The lines that a feature needs in main.py, one for each mark."""


class BuildError(Exception):
    """The service could not be made; the message is what the failing program said."""


def build(*, keep: bool) -> Path:
    """Return the folder of the service.

    Args:
        keep: measure the one that is there, with whatever was changed in it by hand.
    """
    if keep and SERVICE.exists():
        return SERVICE
    BUILD.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(SERVICE, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        render(copy_template(Path(folder) / "template"), BUILD, {})
    install()
    add_feature()
    return SERVICE


def install() -> None:
    """Install the packages; the environments stay outside the folder that the next build deletes."""
    for python, arguments in ((PYTHON, ()), (LEAN_PYTHON, ("--no-dev", "--compile-bytecode"))):
        variables = environment({"UV_PROJECT_ENVIRONMENT": str(python.parents[1]), "UV_PYTHON_DOWNLOADS": "never"})
        done = run([find_uv(), "sync", "--python", sys.executable, *arguments], SERVICE, env=variables)
        if done.returncode:
            raise BuildError(done.stdout + done.stderr)


def add_feature() -> None:
    """Copy the feature's files, and write its two lines into main.py."""
    shutil.copytree(ADDED, SERVICE, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    main = SERVICE / "app" / "main.py"
    before, between, after = main.read_text("utf-8").split(MARK.strip() + "\n")
    main.write_text(before + MARK + WIRING[0] + between + MARK + WIRING[1] + after, "utf-8")
