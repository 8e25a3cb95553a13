"""The layers of `app/`: a module may import only from lower layers, so that imports form no cycle."""

import ast
from collections.abc import Iterator

from tests.architecture import FEATURES, modules

LAYERS: tuple[frozenset[str], ...] = (
    frozenset({"main"}),
    frozenset({*FEATURES, "server", "pgbouncer"}),
    # {% if cookiecutter.jobs == "yes" %}
    frozenset({"jobs", "streams"}),
    # {% endif %}# {% if cookiecutter.auth == "jwt" %}
    frozenset({"auth", "http_caching", "rate_limits"}),
    # {% endif %}
    frozenset({"health"}),
    frozenset({"lifespan", "dependencies"}),
    frozenset({"resources"}),
    frozenset({"idempotency", "readiness", "web"}),
    frozenset({"capacity", "database", "downstreams", "valkey", "work"}),
    frozenset({"limits", "observability"}),
    frozenset({"settings", "request", "errors"}),
)
"""The folders and files of `app/` by layer, highest first. A module may import from lower layers only."""


def layer_of(room: str) -> int:
    return next((number for number, rooms in enumerate(LAYERS) if room in rooms), -1)


def imports_by_line(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the line number and the imported folder or file of `app/` for each import of a parsed module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"app.{alias.name}" for alias in node.names] if node.module == "app" else [node.module or ""]
        else:
            continue
        yield from ((node.lineno, name.split(".")[1]) for name in names if name.startswith("app."))


def arrow_against_the_layers(room: str, imported: str) -> bool:
    return room != imported and layer_of(imported) <= layer_of(room)


def test_every_folder_of_the_app_has_a_layer() -> None:
    rooms = {module.split(".")[1] for module, _tree in modules() if module != "app.__init__"}

    missing = [
        f"app/{room} has no layer. A feature has one by its `repository.py`; add any other folder to LAYERS in "
        "tests/test_layers.py, above all that it imports, and to the README's table of rooms."
        for room in sorted(rooms)
        if layer_of(room) < 0
    ]
    assert not missing, "\n".join(missing)


def test_imports_go_down_the_layers() -> None:
    wrong = [
        f"{module.replace('.', '/')}.py:{line}: `{room}` imports `{imported}`, which is not below it. "
        f"Take the value as an argument, or move the code into a folder above `{imported}`."
        for module, tree in modules()
        for room in [module.split(".")[1]]
        for line, imported in imports_by_line(tree)
        if arrow_against_the_layers(room, imported)
    ]

    assert not wrong, "\n".join(wrong)
