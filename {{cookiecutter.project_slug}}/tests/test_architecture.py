"""The arrows between modules, held by reading the source: an import against them is a failing test."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import ROOT

APP = ROOT / "app"
FEATURES = {folder.parent.name for folder in APP.glob("*/service.py")}

# In a feature, each file may import the files below it in this list, and none above.
FEATURE_ORDER = ("routes", "dependencies", "service", "repository", "schemas", "models")


def modules() -> Iterator[tuple[str, ast.Module]]:
    for file in sorted(APP.rglob("*.py")):
        yield ".".join(file.relative_to(ROOT).with_suffix("").parts), ast.parse(file.read_text("utf-8"))


def imports(tree: ast.Module) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def importers(name: str) -> set[str]:
    return {module for module, tree in modules() if any(_is_or_in(one, name) for one in imports(tree))}


def _is_or_in(imported: str, name: str) -> bool:
    return imported == name or imported.startswith(f"{name}.")


def callers(function: str) -> set[str]:
    return {
        module
        for module, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == function
    }


def test_nothing_imports_main() -> None:
    assert importers("app.main") == set()


def test_one_place_builds_the_engine() -> None:
    assert callers("create_async_engine") == {"app.database"}
    assert callers("build_engine") == {"app.lifespan"}


@pytest.mark.parametrize("library", ["httpx", "httpx2", "aiohttp", "requests", "urllib3"])
def test_the_http_library_is_imported_in_downstreams_only(library: str) -> None:
    assert importers(library) <= {"app.downstreams.client", "app.downstreams.engine", "app.downstreams.names"}


def test_the_state_of_the_app_is_touched_in_two_places_only() -> None:
    touching = {
        module
        for module, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "state" and ast.unparse(node.value).endswith("app")
    }

    assert touching == {"app.lifespan", "app.dependencies"}


def test_the_environment_is_read_by_the_settings_only() -> None:
    reading = {
        module
        for module, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node) in {"os.environ", "os.getenv"}
    }

    assert reading == set()
    assert importers("pydantic_settings") == {"app.settings"}


def test_no_import_hides_inside_a_function() -> None:
    rarely_used_and_imported_in_a_thread: set[str] = set()
    # {% if cookiecutter.example == "yes" %}
    rarely_used_and_imported_in_a_thread.add("app.orders.service")
    # {% endif %}
    hidden = {
        module
        for module, tree in modules()
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }

    assert hidden <= rarely_used_and_imported_in_a_thread


def test_a_feature_never_imports_a_feature() -> None:
    crossing = {
        (module, one)
        for module, tree in modules()
        for one in imports(tree)
        if module.split(".")[1] in FEATURES
        and one.startswith("app.")
        and one.split(".")[1] in FEATURES - {module.split(".")[1]}
    }

    assert crossing == set()


def test_inside_a_feature_imports_go_down_only() -> None:
    wrong = set()
    for module, tree in modules():
        _app, feature, *file = module.split(".")
        if feature not in FEATURES or not file or file[0] not in FEATURE_ORDER:
            continue
        above = FEATURE_ORDER[: FEATURE_ORDER.index(file[0])]
        wrong |= {(module, one) for one in imports(tree) for name in above if _is_or_in(one, f"app.{feature}.{name}")}

    assert wrong == set()


def test_services_know_no_web_framework() -> None:
    wrong = {
        (module, one)
        for module, tree in modules()
        for one in imports(tree)
        if Path(module.replace(".", "/")).name in {"service", "repository", "models"}
        and one.split(".")[0] in {"fastapi", "starlette"}
    }

    assert wrong == set()


def test_every_module_says_its_job_first() -> None:
    assert [module for module, tree in modules() if not ast.get_docstring(tree)] == []


def test_a_function_is_at_most_40_lines_and_a_file_at_most_200() -> None:
    long = [
        f"{module}:{node.name}"
        for module, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (node.end_lineno or 0) - node.lineno >= 40
    ]
    large = [str(file) for file in APP.rglob("*.py") if len(file.read_text("utf-8").splitlines()) > 200]

    assert (long, large) == ([], [])
