"""The architecture of `app/`: no import in its source code breaks the structure of the modules.

Each finding is a line with the file, the line number, the forbidden code, and how to change it.
"""

import ast

import pytest

from tests.architecture import (
    APP,
    FEATURE_ORDER,
    FEATURES,
    calls_of,
    expressions,
    imports,
    imports_of,
    is_or_in,
    modules,
    refuse,
)


def test_nothing_imports_main() -> None:
    refuse(imports_of("app.main"), "Move what both need into a module that `app/main.py` imports too.")


def test_only_the_lifespan_builds_the_engine() -> None:
    way_out = "Ask for `WriteSession` or `ReadSession` in a route; other work takes the engine as an argument."

    refuse(calls_of("create_async_engine"), way_out, but=["app.database.engine"])
    refuse(calls_of("build_engine"), way_out, but=["app.lifespan"])
    assert calls_of("create_async_engine")
    assert calls_of("build_engine")


@pytest.mark.parametrize("library", ["httpx", "httpx2", "aiohttp", "requests", "urllib3"])
def test_the_http_library_is_imported_in_downstreams_only(library: str) -> None:
    way_out = 'Call other services through `DownstreamsDep`: README, "Add a feature", has the steps for a downstream.'

    allowed = (f"app.downstreams.{file}" for file in ("client", "transport", "resolver"))
    refuse(imports_of(library), way_out, but=allowed)


def test_the_state_of_the_app_is_used_in_two_modules_only() -> None:
    touching = expressions(
        lambda node: (
            isinstance(node, ast.Attribute) and node.attr == "state" and ast.unparse(node.value).endswith("app")
        )
    )

    way_out = "Make it a field of `Resources`, which `app/lifespan.py` fills, and an alias in `app/dependencies.py`."
    refuse(touching, way_out, but=["app.lifespan", "app.dependencies"])
    assert {module for module, _, _ in touching} == {"app.lifespan", "app.dependencies"}


def test_the_environment_is_read_by_the_settings_only() -> None:
    reading = expressions(
        lambda node: isinstance(node, ast.Attribute) and ast.unparse(node) in {"os.environ", "os.getenv"}
    )

    way_out = "Make it a field of `Settings` in `app/settings/service.py`, and take the value as an argument."
    refuse(reading, way_out, but=["app.settings.environment"])  # this module checks the variables that gunicorn reads
    refuse(imports_of("os.environ") + imports_of("os.getenv"), way_out, but=["app.settings.environment"])
    refuse(imports_of("pydantic_settings"), way_out, but=["app.settings"])


def test_no_import_stands_inside_a_function() -> None:
    rarely_used_and_imported_in_a_thread: set[str] = set()
    # {% if cookiecutter.example == "showcases" %}
    rarely_used_and_imported_in_a_thread.add("app.products.service")
    # {% endif %}
    hidden = [
        (module, node.lineno, ast.unparse(node))
        for module, tree in modules()
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]

    way_out = "Move it to the top of the file; a circle of imports is mended by an argument, or by a lower module."
    refuse(hidden, way_out, but=rarely_used_and_imported_in_a_thread)


def test_a_feature_never_imports_a_feature() -> None:
    crossing = [
        (module, line, imported)
        for module, line, imported in imports()
        if module.split(".")[1] in FEATURES
        and imported.startswith("app.")
        and imported.split(".")[1] in FEATURES - {module.split(".")[1]}
    ]

    refuse(crossing, "Move what both need into a module below the features: `app/main.py` may wire the two.")


def test_inside_a_feature_imports_go_down_only() -> None:
    wrong = []
    for module, line, imported in imports():
        _app, feature, *file = module.split(".")
        if feature in FEATURES and file and file[0] in FEATURE_ORDER:
            above = FEATURE_ORDER[: FEATURE_ORDER.index(file[0])]
            if any(is_or_in(imported, f"app.{feature}.{name}") for name in above):
                wrong.append((module, line, imported))

    refuse(wrong, f"Imports go down: {', '.join(FEATURE_ORDER)}. Move the code down, or pass it as an argument.")


FOREIGN = dict.fromkeys(("service", "repository", "models"), ("fastapi", "starlette")) | {"routes": ("sqlalchemy",)}


def test_services_import_no_web_framework_and_routes_no_sql() -> None:
    wrong = [
        (module, line, imported)
        for module, line, imported in imports()
        if imported.split(".")[0] in FOREIGN.get(module.rpartition(".")[2], ())
    ]

    refuse(wrong, "Services raise errors of `app/errors.py`; requests and statuses are for `routes.py`, SQL is not.")


def test_every_module_has_a_docstring() -> None:
    bare = [(module, 1, "no docstring") for module, tree in modules() if not ast.get_docstring(tree)]

    refuse(bare, "Say the one job of the module in its first line.")


def test_a_function_is_at_most_40_lines_and_a_file_at_most_200() -> None:
    long = [
        (module, node.lineno, f"`{node.name}` is longer than 40 lines")
        for module, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (node.end_lineno or 0) - node.lineno >= 40
    ]
    large = [
        (".".join(file.relative_to(APP.parent).with_suffix("").parts), 201, "the file is longer than 200 lines")
        for file in APP.rglob("*.py")
        if len(file.read_text("utf-8").splitlines()) > 200
    ]

    refuse([*long, *large], "Give one of its jobs to a function or a file of its own.")


def test_a_finding_names_the_file_the_line_and_the_way_out() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"(?m)^app/things/x\.py:7: import httpx\. Call it elsewhere\.$"):
        refuse([("app.things.x", 7, "import httpx")], "Call it elsewhere.", but=["app.thing"])
