"""Measures the size and structure of the template's code against targets; `make ruler` prints each target and value."""

import ast
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.prose import pointing_percentage, vague_per_thousand
from tests.repository import EVERYTHING, Answers, copy_template, render
from tests.source import Function, Source, code_lines, length, sources

PATCHES = ("monkeypatch.setattr", "monkeypatch.setitem", "mock.patch", "mock.patch.object", "patch", "mocker")
"""Names of functions that replace code under test (patching); setting an environment variable is not counted."""


@dataclass(frozen=True)
class Measure:
    """A line of the ruler: a question about the code, the target, and the measured value."""

    question: str
    target: str
    now: str
    holds: bool
    where: str = ""


def functions(found: list[Source]) -> list[tuple[str, Function]]:
    """Return all functions of some files, each with the name of the file."""
    return [(source.name, function) for source in found for function in source.functions()]


def at_most(question: str, limit: float, value: float, where: str = "") -> Measure:
    """Measure a number that must not exceed a target."""
    return Measure(
        question, f"at most {limit:g}", f"{value:.3g}" if value % 1 else f"{value:.0f}", value <= limit, where
    )


def only_in(question: str, expected: set[str], found: list[str]) -> Measure:
    """Compare the files in which an action happens with the files in which the action is expected."""
    files = {place.split(":")[0] for place in found}
    target, now = (", ".join(sorted(names)) or "none" for names in (expected, files))
    return Measure(question, target, now, files == expected)


def shape(found: list[Source]) -> list[Measure]:
    """Measure the lengths of functions and files, and the number of the template's control lines."""
    lengths = [length(function) for _, function in functions(found)]
    name, longest = max(functions(found), key=lambda item: length(item[1]))
    files = [source.lines for source in found if source.lines]
    app = [source for source in found if source.name.startswith(("app/", "migrations/", "gunicorn"))]
    largest = max(found, key=lambda source: source.lines)
    control = sum(source.control_lines for source in found)
    return [
        at_most("function length: median", 8, statistics.median(lengths)),
        at_most("function length: max", 40, length(longest), f"{name}: {longest.name}"),
        at_most("functions over 40 lines, %", 0, 100 * sum(lines > 40 for lines in lengths) / len(lengths)),
        at_most("file length in app: median", 80, statistics.median(source.lines for source in app)),
        at_most("file length: max", 200, largest.lines, largest.name),
        at_most("control lines per 100 lines of Python", 0.3, 100 * control / sum(files)),
    ]


PATCHING = {"tests/blocking.py", "tests/captured_log.py"}
"""The files that may patch: blocking-call checks around tests, and a collector of log lines, no code that ships."""


def customs(app: list[Source], everything: list[Source]) -> list[Measure]:
    """Measure in which files certain actions happen, such as the creation of a database engine."""

    def where(look: Callable[[Source], list[str]], found: list[Source]) -> list[str]:
        return [place for source in found for place in look(source)]

    environment = ("os.environ", "os.getenv", "environ", "getenv")
    return [
        only_in("creates an engine", {"app/database/engine.py"}, where(lambda s: s.calls("create_async_engine"), app)),
        only_in(
            "reads the environment by hand", {"app/settings/environment.py"}, where(lambda s: s.uses(*environment), app)
        ),
        only_in(
            "knows the worker count", {"app/capacity/plan.py"}, where(lambda s: s.uses("settings.web_concurrency"), app)
        ),
        only_in("computes the capacity plan of the process", {"app/main.py"}, where(plans, app)),
        only_in("does something at import", {"app/main.py"}, where(import_work, app)),
        only_in("touches app.state", {"app/lifespan.py", "app/dependencies.py"}, where(state_uses, app)),
        only_in("imports inside a function", {"app/products/service.py"}, where(Source.inner_imports, everything)),
        only_in("patches in a test", PATCHING, where(lambda s: s.uses(*PATCHES), everything)),
        only_in("catches exceptions in a route", set(), where(tries, [s for s in app if "routes" in s.name])),
    ]


def plans(source: Source) -> list[str]:
    """Return file and line of each computation of the capacity plan outside `app/capacity/`."""
    return [] if source.name.startswith("app/capacity/") else source.calls("plan_for", "make_plan")


def import_work(source: Source) -> list[str]:
    """Return file and line of each call that reads settings, or builds or opens something, when a module is loaded."""
    heavy = {"create_app", "load_settings", "Settings", "build_engine", "create_async_engine", "AsyncClient", "open"}
    skipped = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    calls = (
        node
        for statement in source.tree.body
        if not isinstance(statement, skipped)
        for node in ast.walk(statement)
        if isinstance(node, ast.Call)
    )
    return [f"{source.name}:{call.lineno}" for call in calls if ast.unparse(call.func).split(".")[-1] in heavy]


def state_uses(source: Source) -> list[str]:
    """Return file and line of each use of `app.state`."""
    nodes = (node for node in ast.walk(source.tree) if isinstance(node, ast.Attribute) and node.attr == "state")
    return [f"{source.name}:{node.lineno}" for node in nodes if ast.unparse(node.value).split(".")[-1] == "app"]


def tries(source: Source) -> list[str]:
    """Return file and line of each try statement."""
    return [f"{source.name}:{node.lineno}" for node in ast.walk(source.tree) if isinstance(node, ast.Try)]


def composition(app: list[Source]) -> list[Measure]:
    """Measure the lengths of the application factory and the lifespan, which a newcomer reads first."""
    named = {f"{name}:{function.name}": function for name, function in functions(app)}
    factory, lifespan = named["app/main.py:create_app"], named["app/lifespan.py:open_resources"]
    return [
        at_most("application factory length", 40, length(factory)),
        at_most("lifespan length", 40, length(lifespan)),
    ]


NOTHING: Answers = {"example": "no", "http_client": "none", "proofs": "no", "ci": "none"}


UPDATER = "devtools/template/__main__.py", "devtools/template/source.py"


@cache
def budgets() -> list[Measure]:
    """Measure the lines of code of rendered services; the targets are never raised to fit the code."""
    with tempfile.TemporaryDirectory() as folder:
        template = copy_template(Path(folder) / "template")
        default, nothing, everything = (
            counted(render(template, Path(folder) / name, answers))
            for name, answers in (("default", {}), ("nothing", NOTHING), ("everything", EVERYTHING))
        )
    whole = " / ".join(f"{lines_in(everything, room):,}" for room in ("app/", "tests/", "devtools/"))
    first_level = {name.split("/")[1] for name in default if name.startswith("app/")} - {"__init__.py"}
    return [
        at_most("files and folders at the top of the app of a default service", 20, len(first_level)),
        at_most("lines of code of a default service: app", 4900, lines_in(default, "app/")),
        at_most("lines of code of a default service: tests", 3200, lines_in(default, "tests/")),
        at_most("lines of code of a default service: devtools", 1500, lines_in(default, "devtools/")),
        at_most("lines of code of the updater, its history of migrations apart", 150, lines_in(default, *UPDATER)),
        at_most("lines of code of its fault tests with their harness", 350, lines_in(default, "tests/smoke/")),
        at_most("lines of code of a service without options: app", 4400, lines_in(nothing, "app/")),
        at_most("lines of code with all options: app", 4500, lines_in(everything, "app/", "migrations/", "gunicorn")),
        at_most("lines of code with all options: tests", 10_000, lines_in(everything, "tests/")),
        Measure("lines of code with all options: app / tests / devtools", "shown only", whole, holds=True),
    ]


def counted(service: Path) -> dict[str, int]:
    """Return the lines of code of each Python file of a rendered service, by its path."""
    return {path.relative_to(service).as_posix(): code_lines(path.read_text("utf-8")) for path in service.rglob("*.py")}


def lines_in(files: dict[str, int], *paths: str) -> int:
    """Return the number of lines of code in the files below these paths."""
    return sum(lines for name, lines in files.items() if name.startswith(paths))


def english(app: list[Source]) -> list[Measure]:
    """Measure how clear the docstrings and comments of `app/` are."""
    return [
        at_most("vague words per 1,000 words of docstrings and comments in app", 5, vague_per_thousand(app)),
        at_most("docstrings in app that need a noun from elsewhere, %", 10, pointing_percentage(app)),
    ]


def measure() -> list[Measure]:
    """Measure the code, and return all lines of the ruler."""
    app, everything = sources("app/"), sources()
    return [*shape(everything), *english(app), *customs(app, everything), *composition(app), *budgets()]


def main() -> None:
    """Print the lines of the ruler, each with question, target and value."""
    print("| question | target | now |\n|---|---|---|")
    for line in measure():
        detail = f" ({line.where})" if line.where else ""
        print(f"| {line.question} | {line.target} | {line.now}{detail}{'' if line.holds else ' **missed**'} |")


if __name__ == "__main__":
    main()
