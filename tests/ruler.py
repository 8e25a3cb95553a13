"""The ruler: each question about the template's shape, its target and where it is now. `make ruler` prints it."""

import ast
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tests.source import Function, Source, length, sources

PATCHES = ("monkeypatch.setattr", "monkeypatch.setitem", "mock.patch", "mock.patch.object", "patch", "mocker")
"""What swaps code under test. Setting a variable of the environment does not."""


@dataclass(frozen=True)
class Measure:
    """One line of the ruler."""

    question: str
    target: str
    now: str
    holds: bool
    where: str = ""


def functions(found: list[Source]) -> list[tuple[str, Function]]:
    """Return all functions with their file's name."""
    return [(source.name, function) for source in found for function in source.functions()]


def at_most(question: str, limit: float, value: float, where: str = "") -> Measure:
    """Measure a number that has an upper bound."""
    return Measure(
        question, f"at most {limit:g}", f"{value:.3g}" if value % 1 else f"{value:.0f}", value <= limit, where
    )


def places(question: str, expected: set[str], found: list[str]) -> Measure:
    """Measure in which files something happens."""
    files = {place.split(":")[0] for place in found}
    target, now = (", ".join(sorted(names)) or "none" for names in (expected, files))
    return Measure(question, target, now, files == expected)


def shape(found: list[Source]) -> list[Measure]:
    """Measure lengths and control lines."""
    lengths = [length(function) for _, function in functions(found)]
    name, longest = max(functions(found), key=lambda item: length(item[1]))
    files = [source.lines for source in found if source.lines]
    app = [source for source in found if source.name.startswith(("app/", "migrations/", "gunicorn"))]
    tests = [source for source in found if source.name.startswith("tests/")]
    largest = max(found, key=lambda source: source.lines)
    control = sum(source.control_lines for source in found)
    return [
        at_most("function length: median", 8, statistics.median(lengths)),
        at_most("function length: max", 40, length(longest), f"{name}: {longest.name}"),
        at_most("functions over 40 lines, %", 0, 100 * sum(lines > 40 for lines in lengths) / len(lengths)),
        at_most("file length in app: median", 80, statistics.median(source.lines for source in app)),
        at_most("file length: max", 200, largest.lines, largest.name),
        at_most("control lines per 100 lines of Python", 0.3, 100 * control / sum(files)),
        at_most("lines of code in app and migrations", 4500, code_lines(app)),
        at_most("lines of code in their tests", 10_000, code_lines(tests)),
        at_most("lines of code in devtools and their tests", 2100, code_lines(set(found) - set(app) - set(tests))),
    ]


def code_lines(found: Iterable[Source]) -> int:
    """Count what is to be read: the service by everybody, its tests by who changes it, the tools by few."""
    return sum(source.code_lines for source in found)


PATCHING = {"tests/blocking.py", "tests/lines.py"}
"""The gate around all tests, and what collects the lines of a log; neither stands in for anything that ships."""


def customs(app: list[Source], everything: list[Source]) -> list[Measure]:
    """Measure who does what."""

    def where(look: Callable[[Source], list[str]], found: list[Source]) -> list[str]:
        return [place for source in found for place in look(source)]

    environment = ("os.environ", "os.getenv", "environ", "getenv")
    return [
        places("creates an engine", {"app/database.py"}, where(lambda s: s.calls("create_async_engine"), app)),
        places("reads the environment by hand", set(), where(lambda s: s.uses(*environment), app)),
        places(
            "knows the worker count", {"app/capacity/plan.py"}, where(lambda s: s.uses("settings.web_concurrency"), app)
        ),
        places("does something at import", {"app/main.py"}, where(import_work, app)),
        places("touches app.state", {"app/lifespan.py", "app/dependencies.py"}, where(state_uses, app)),
        places("imports inside a function", {"app/orders/service.py"}, where(Source.inner_imports, everything)),
        places("patches in a test", PATCHING, where(lambda s: s.uses(*PATCHES), everything)),
        places("catches exceptions in a route", set(), where(tries, [s for s in app if "routes" in s.name])),
    ]


def import_work(source: Source) -> list[str]:
    """Name the places outside functions and classes that read settings, build or open something."""
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
    """Name the places that touch `.app.state` or `app.state`."""
    nodes = (node for node in ast.walk(source.tree) if isinstance(node, ast.Attribute) and node.attr == "state")
    return [f"{source.name}:{node.lineno}" for node in nodes if ast.unparse(node.value).split(".")[-1] == "app"]


def tries(source: Source) -> list[str]:
    """Name the places with a try statement."""
    return [f"{source.name}:{node.lineno}" for node in ast.walk(source.tree) if isinstance(node, ast.Try)]


def composition(app: list[Source]) -> list[Measure]:
    """Measure the functions that everybody reads first."""
    named = {f"{name}:{function.name}": function for name, function in functions(app)}
    factory, lifespan = named["app/main.py:create_app"], named["app/lifespan.py:open_resources"]
    return [
        at_most("application factory length", 40, length(factory)),
        at_most("lifespan length", 40, length(lifespan)),
    ]


def measure() -> list[Measure]:
    """Return every line of the ruler."""
    app, everything = sources("app/"), sources()
    return [*shape(everything), *customs(app, everything), *composition(app)]


def main() -> None:
    """Print the table."""
    print("| question | target | now |\n|---|---|---|")
    for line in measure():
        detail = f" ({line.where})" if line.where else ""
        print(f"| {line.question} | {line.target} | {line.now}{detail}{'' if line.holds else ' **missed**'} |")


if __name__ == "__main__":
    main()
