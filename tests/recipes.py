"""The recipes of docs/recipes/: their pages, their runnable files, and the environment in which their tests run.

A recipe needs packages that neither the template nor a generated service has, so its tests run in an environment that
all recipes share. One process runs all tests, since each process needs a second to import packages.
"""

import shutil
import sys
from pathlib import Path

from fasteners import InterProcessLock

from tests.programs import find_uv, must
from tests.repository import ROOT

RECIPES = ROOT / "docs/recipes"
TESTS = RECIPES / "tests"
REQUIREMENTS = RECIPES / "requirements.txt"
REQUIREMENTS_OF_ARQ = RECIPES / "requirements_arq.txt"


def names() -> list[str]:
    """Return the names of all recipes."""
    return sorted(path.stem for path in RECIPES.glob("*.py"))


def cases() -> list[str]:
    """Return the names of the recipes' test files: the recipe's name, to which `__` and a subject may be added."""
    return sorted(path.stem.removeprefix("test_") for path in TESTS.glob("test_*.py"))


def versions() -> dict[str, str]:
    """Return the version of each package that the recipes require."""
    texts = [path.read_text("utf-8") for path in (REQUIREMENTS_OF_ARQ, REQUIREMENTS)]
    lines = (line.partition("#")[0].strip() for text in texts for line in text.splitlines())
    pins = (line.partition("==") for line in lines if line)
    return {name.partition("[")[0]: version for name, _, version in pins}


def interpreter(workshop: Path, requirements: Path = REQUIREMENTS) -> Path:
    """Return a Python with the packages of a requirements file, by default of all recipes; made once in a test run."""
    folder = workshop / f"recipes-{requirements.stem}"
    python = folder / "bin/python"
    with InterProcessLock(f"{folder}.lock"):
        if not (folder / "installed").exists():
            must([find_uv(), "venv", "--quiet", "--python", sys.executable, folder], workshop)
            must([find_uv(), "pip", "install", "--quiet", "--python", python, "-r", requirements], workshop)
            (folder / "installed").touch()
    return python


def copy(folder: Path) -> None:
    """Copy the recipes, the tutorials' code and the tests of both into an empty folder."""
    for path in (*RECIPES.glob("*.py"), *TESTS.glob("*.py")):
        shutil.copy2(path, folder)
    shutil.copytree(RECIPES / "tutorials", folder / "tutorials")


def typed(python: Path, cache: Path) -> list[str | Path]:
    """Return the mypy command that checks the types of all recipes and their tests, with the packages of a Python."""
    files = sorted([*RECIPES.glob("*.py"), *TESTS.glob("*.py")])
    options = ("--strict", "--config-file=", f"--cache-dir={cache}", f"--python-executable={python}")
    return [Path(sys.executable).with_name("mypy"), *options, "--disable-error-code=import-untyped", *files]
