"""Builds the measured service: generation, installation, and the overlay with the `items` feature."""

import shutil
import sys
import tempfile
from pathlib import Path

from tests.programs import environment, find_uv, run
from tests.repository import ROOT, SERVICE, copy_template, render

BUILD = ROOT / ".build" / "bench"
SERVICE_FOLDER = BUILD / "order-service"
PYTHON = BUILD / "venv" / "bin" / "python"
"""The Python with the development packages, for the database and the in-process measurements."""
LEAN_PYTHON = BUILD / "venv-lean" / "bin" / "python"
"""The Python with only the packages of the service's image, compiled as in the image; servers run on it. httpx and
structlog import rich if it is installed, and a file without bytecode is compiled at each start: both would take 5 MB
of each worker."""
OVERLAY = Path(__file__).parent / "overlay"
"""The files copied over the generated service: the feature, the baselines and the in-process measurements."""

PROCESSES = ("process.py", "process_child.py", "processes.py")
"""The files of the worker processes, which are measured too although a service with the default answers has none."""

MARK = "# yours below\n"
IMPORT, INCLUDED = "from app.items.routes import router as items\n", "    app.include_router(items)\n"
"""The two lines that main.py needs for the feature."""

BUSIEST = "    app.include_router(orders)\n"
"""The first router of the service. The feature's router is put before it, as a service would put its busiest router;
the baselines have no other router either."""


class BuildError(Exception):
    """The service could not be built; the message is the output of the program that failed."""


def build(*, keep: bool) -> Path:
    """Build the service, and return its folder.

    Args:
        keep: measure the folder of the last build, with all changes made there by hand.
    """
    if keep and SERVICE_FOLDER.exists():
        return SERVICE_FOLDER
    BUILD.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(SERVICE_FOLDER, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        render(copy_template(Path(folder) / "template"), BUILD, {})
    install()
    add_overlay()
    return SERVICE_FOLDER


def install() -> None:
    """Install the packages into environments outside of the folder that the next build deletes."""
    for python, arguments in ((PYTHON, ()), (LEAN_PYTHON, ("--no-dev", "--compile-bytecode"))):
        variables = environment({"UV_PROJECT_ENVIRONMENT": str(python.parents[1]), "UV_PYTHON_DOWNLOADS": "never"})
        done = run([find_uv(), "sync", "--python", sys.executable, *arguments], SERVICE_FOLDER, env=variables)
        if done.returncode:
            raise BuildError(done.stdout + done.stderr)


def add_overlay() -> None:
    """Copy the overlay's files, and write the two lines of the feature into main.py."""
    shutil.copytree(OVERLAY, SERVICE_FOLDER, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in PROCESSES:
        shutil.copy2(SERVICE / "app" / "work" / name, SERVICE_FOLDER / "app" / "work")
    main = SERVICE_FOLDER / "app" / "main.py"
    imports, rest = main.read_text("utf-8").split(MARK, 1)
    before, after = rest.split(BUSIEST)
    main.write_text(imports + MARK + IMPORT + before + INCLUDED + BUSIEST + after, "utf-8")
