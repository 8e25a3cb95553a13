"""Recipes: the pages of docs/recipes/, their runnable files, and the environment in which their tests run.

A recipe needs packages that neither the template nor a generated service has, so its test runs in an environment of its
own, which all recipes have in common. One process runs all tests, since each process imports packages for a second.
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


def names() -> list[str]:
    """Return the names of all recipes."""
    return sorted(path.stem for path in RECIPES.glob("*.py"))


def cases() -> list[str]:
    """Return the tests of the recipes: each has the name of its recipe, and may add `__` and its subject."""
    return sorted(path.stem.removeprefix("test_") for path in TESTS.glob("test_*.py"))


def versions() -> dict[str, str]:
    """Return the version of each package that the recipes name."""
    lines = (line.partition("#")[0].strip() for line in REQUIREMENTS.read_text("utf-8").splitlines())
    pins = (line.partition("==") for line in lines if line)
    return {name.partition("[")[0]: version for name, _, version in pins}


def interpreter(workshop: Path) -> Path:
    """Return a Python that has the packages of all recipes; it is made once in a run of the tests."""
    folder = workshop / "recipes"
    python = folder / "bin/python"
    with InterProcessLock(f"{folder}.lock"):
        if not (folder / "installed").exists():
            must([find_uv(), "venv", "--quiet", "--python", sys.executable, folder], workshop)
            must([find_uv(), "pip", "install", "--quiet", "--python", python, "-r", REQUIREMENTS], workshop)
            (folder / "installed").touch()
    return python


def copy(folder: Path) -> None:
    """Copy the recipes, the lines of the tutorials and the tests of both into an empty folder."""
    for path in (*RECIPES.glob("*.py"), *TESTS.glob("*.py")):
        shutil.copy2(path, folder)
    shutil.copytree(RECIPES / "tutorials", folder / "tutorials")


def typed(python: Path, cache: Path) -> list[str | Path]:
    """Return the command that checks the types of all recipes and their tests, with the packages of that Python."""
    files = sorted([*RECIPES.glob("*.py"), *TESTS.glob("*.py")])
    options = ("--strict", "--config-file=", f"--cache-dir={cache}", f"--python-executable={python}")
    return [Path(sys.executable).with_name("mypy"), *options, "--disable-error-code=import-untyped", *files]
