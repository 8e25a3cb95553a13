"""Builds the service that the benchmarks measure: generation, installation, and the files of the `items` feature."""

import shutil
import sys
import tempfile
from pathlib import Path

from tests.programs import environment, find_uv, run
from tests.repository import ROOT, SERVICE, copy_template, render

BUILD = ROOT / ".build" / "bench"
SERVICE_FOLDER = BUILD / "order-service"
PYTHON = BUILD / "venv" / "bin" / "python"
"""The interpreter with the development packages, which runs the benchmarks' PostgreSQL and in-process measurements."""
LEAN_PYTHON = BUILD / "venv-lean" / "bin" / "python"
"""The interpreter that runs the measured servers: only the packages of the service's image, compiled to bytecode.

httpx and structlog import rich if it is installed, and a file without bytecode is compiled at each start: both would
take 5 MB of each worker.
"""
OVERLAY = Path(__file__).parent / "overlay"
"""The files that are copied over the generated service: the `items` feature, baselines, and in-process measurements."""

PROCESSES = ("process.py", "process_child.py", "processes.py")
"""The service's files for worker processes, measured too although a default service has none."""

MARK = "# yours below\n"
IMPORT, INCLUDED = "from app.items.routes import router as items\n", "    app.include_router(items)\n"
"""The two lines that the service's main.py needs for the `items` feature."""

BUSIEST = "    app.include_router(orders)\n"
"""The line of main.py that includes the service's first router.

The router of `items` is put before this line, as a service would put its busiest router first. The baselines have no
other router either.
"""


class BuildError(Exception):
    """The service could not be built; the message is the output of the program that failed."""


def build(*, keep: bool) -> Path:
    """Build the service that is measured, and return the folder.

    Args:
        keep: use the folder of the last build, with all changes that were made there by hand.
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
    """Install the service's packages into two environments outside the service's folder, which each build deletes."""
    for python, arguments in ((PYTHON, ()), (LEAN_PYTHON, ("--no-dev", "--compile-bytecode"))):
        variables = environment({"UV_PROJECT_ENVIRONMENT": str(python.parents[1]), "UV_PYTHON_DOWNLOADS": "never"})
        done = run([find_uv(), "sync", "--python", sys.executable, *arguments], SERVICE_FOLDER, env=variables)
        if done.returncode:
            raise BuildError(done.stdout + done.stderr)


def add_overlay() -> None:
    """Copy the benchmarks' files into the service, and write the two lines of the `items` feature into main.py."""
    shutil.copytree(OVERLAY, SERVICE_FOLDER, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in PROCESSES:
        shutil.copy2(SERVICE / "app" / "work" / name, SERVICE_FOLDER / "app" / "work")
    main = SERVICE_FOLDER / "app" / "main.py"
    imports, rest = main.read_text("utf-8").split(MARK, 1)
    before, after = rest.split(BUSIEST)
    main.write_text(imports + MARK + IMPORT + before + INCLUDED + BUSIEST + after, "utf-8")
