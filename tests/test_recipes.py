"""The recipes of docs/recipes/ work when copied, against real servers; the tutorials' code fails as the pages say."""

import ast
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.booted import database
from tests.conftest import WORKSHOP
from tests.documents import find
from tests.patterns import PACKAGES, imported
from tests.programs import Program, background, environment, run
from tests.recipes import RECIPES, REQUIREMENTS_OF_ARQ, cases, copy, interpreter, names, typed, versions

MAX_LINES = 80
MAX_FUNCTION_LINES = 40
MAX_TEST_LINES = 200
SECONDS = 600
"""The timeout for all tests of the recipes together, in seconds: ten times as long as on an idle machine."""

PARTS = ["The lines of the tutorials", "The recipe", "In a generated service"]
"""The first headings of each page of a recipe, in this sequence."""


PROGRAMS = {
    "RECIPES_REPLICATED": """
import sys
from tests.faults.standby import replicated
with replicated() as (primary, standby):
    print(primary.url(), standby.url(), flush=True)
    sys.stdin.read()
""",
    "RECIPES_PGBOUNCER": """
import os, sys
from urllib.parse import urlsplit
from tests.pgbouncer.bouncer import running_pgbouncer
address = urlsplit(os.environ["RECIPES_POSTGRES"])
service = address._replace(netloc=f"service:from-your-secrets@{address.hostname}:{address.port}")
with running_pgbouncer(service.geturl(), pool_size=1) as url:
    print(url, flush=True)
    sys.stdin.read()
""",
}
"""Programs that start additional servers with a generated service's tools, by the variable for the server's addresses.

Each program prints the addresses, and stops the servers when standard input ends.
"""


@pytest.fixture(scope="module")
def python() -> Path:
    """Return a Python with the packages of the recipes."""
    return interpreter(Path(os.environ[WORKSHOP]))


@pytest.fixture(scope="module")
def postgres(service: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the URL of a throwaway PostgreSQL."""
    with database(service("client_bare"), tmp_path_factory.mktemp("logs")) as url:
        yield url


@pytest.fixture(scope="module")
def servers(
    service: Callable[[str], Path], postgres: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], dict[str, str]]]:
    """Return a function that returns the variables that a recipe's test reads: server addresses, and arq's Python."""
    folder, started = tmp_path_factory.mktemp("servers"), {"RECIPES_POSTGRES": postgres}
    started["RECIPES_ARQ"] = str(interpreter(Path(os.environ[WORKSHOP]), REQUIREMENTS_OF_ARQ))
    with ExitStack() as stack:

        def start(variable: str) -> None:
            command: list[str | Path] = [service("full") / ".venv/bin/python", "-c", PROGRAMS[variable]]
            own = environment({"RECIPES_POSTGRES": postgres})
            holder = stack.enter_context(background(command, service("full"), own, folder / f"{variable}.log"))
            started[variable] = holder.line("postgres").strip()
            stack.callback(end, holder)

        def give(source: str) -> dict[str, str]:
            for variable in PROGRAMS:
                if variable in source and variable not in started:
                    start(variable)
            return {variable: address for variable, address in started.items() if variable in source}

        yield give


def end(holder: Program) -> None:
    """Close a program's standard input, which stops the program's servers, and wait until the program has ended."""
    if holder.process.stdin:
        holder.process.stdin.close()
    holder.process.wait(30)


APART = {"psycopg_async__pgbouncer", "tenants__pgbouncer"}
"""Recipe tests that need PgBouncer, which is no package of the index and may be missing."""


def test_the_recipes_hold_and_the_lines_of_the_tutorials_do_not(
    python: Path, servers: Callable[[str], dict[str, str]], tmp_path: Path
) -> None:
    run_tests(python, servers, tmp_path, sorted({*cases()} - APART))


@pytest.mark.needs_program("pgbouncer", "apt-get install pgbouncer, or brew install pgbouncer")
def test_the_recipes_hold_behind_pgbouncer(
    python: Path, servers: Callable[[str], dict[str, str]], tmp_path: Path
) -> None:
    run_tests(python, servers, tmp_path, sorted(APART))


def run_tests(python: Path, servers: Callable[[str], dict[str, str]], folder: Path, tested: list[str]) -> None:
    """Run the tests of recipes with only the recipes' packages, and without the files of this repository."""
    copy(folder)
    tests = [folder / f"test_{name}.py" for name in tested]
    addresses = servers("".join(path.read_text("utf-8") for path in (*tests, folder / "conftest.py")))
    options = ("-q", "--durations=5", "-p", "no:cacheprovider", "-W", "ignore::ResourceWarning")
    command: list[str | Path] = [python, "-m", "pytest", *options, *tests]

    done = run(command, folder, env=environment(addresses), seconds=SECONDS)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", names())
def test_a_recipe_stands_alone(name: str) -> None:
    modules = {module.partition(".")[0] for module in imported(RECIPES / f"{name}.py")}

    assert modules & {*names(), *PACKAGES, "edges", "wire", "tutorials"} == set()


def test_the_recipes_are_typed(python: Path, tmp_path: Path) -> None:
    """Mypy finds no error in any recipe; each is checked as a separate module, with the packages of the recipes."""
    done = run(typed(python, tmp_path), RECIPES)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", names())
def test_a_recipe_is_short(name: str) -> None:
    text = (RECIPES / f"{name}.py").read_text("utf-8")
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]

    assert len(text.splitlines()) <= MAX_LINES
    assert max((node.end_lineno or 0) - node.lineno + 1 for node in functions) <= MAX_FUNCTION_LINES


def test_a_test_of_a_recipe_is_not_long() -> None:
    lengths = {path.name: len(path.read_text("utf-8").splitlines()) for path in (RECIPES / "tests").glob("*.py")}

    assert {name: lines for name, lines in lengths.items() if lines > MAX_TEST_LINES} == {}


@pytest.mark.parametrize("name", names())
def test_a_page_shows_its_recipe_and_the_lines_of_the_tutorials(name: str) -> None:
    page = find(f"docs/recipes/{name}.md")
    sources = [block.source for block in page.blocks if block.source]

    assert re.findall(r"^## (.+)$", page.prose, re.MULTILINE)[: len(PARTS)] == PARTS
    assert f"{name}.py" in page.links
    assert f"tests/test_{name}.py" in page.links
    assert RECIPES / f"{name}.py" in sources
    assert RECIPES / "tutorials" / f"{name}.py" in sources


def test_the_index_has_each_recipe_and_each_test_is_of_a_recipe() -> None:
    linked = set(find("docs/recipes/README.md").links)

    assert {link for link in linked if link.endswith(".md") and "/" not in link} == {f"{name}.md" for name in names()}
    assert {case.partition("__")[0] for case in cases()} == set(names())


def test_the_versions_on_the_pages_are_those_that_are_installed() -> None:
    """The versions on the pages are the installed versions; a page writes a version as in `pymongo 4.20.0`."""
    known, wrong = versions(), []
    for path in RECIPES.glob("*.md"):
        text = path.read_text("utf-8")
        for package, version in re.findall(r"\b([a-z][\w-]*(?:\[\w+\])?) (\d+\.\d+[\w.]*\w)", text):
            if known.get(package, version) != version:
                wrong.append(f"{path.name}: {package} {version}, not {known[package]}")

    assert wrong == []
