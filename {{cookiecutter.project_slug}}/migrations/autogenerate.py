"""Rules for alembic: the ids of revisions, and the tables that are compared with the models.

By itself alembic would drop the tables of extensions and of other tools, as no model has them.
"""

import ast
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from importlib import import_module
from pathlib import Path
from typing import Any

from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import BLANK_SCHEMA, MetaData

import app
from app.database.base import Base
from app.readiness.schema import PREFIX
from migrations.comparison import rendered_default

TableName = tuple[str | None, str]
"""The schema of a table, None for the default schema, and the name of the table."""


def load_models() -> None:
    """Import every `app/*/models.py`: autogenerate would drop a table whose model is not imported."""
    for file in sorted(Path(app.__file__).parent.glob("*/models.py")):
        import_module(f"app.{file.parent.name}.models")


def options(script: ScriptDirectory, default_schema: str = "public") -> dict[str, Any]:
    """Return the arguments of `context.configure` for the models and the migrations of this service."""
    models = without_schema(Base.metadata, default_schema)
    history = {(None if schema == default_schema else schema, name) for schema, name in tables_of(script)}
    return {
        "autogenerate_plugins": ["alembic.autogenerate.*", "alembic.ext.checkconstraint_byname"],
        "target_metadata": models,
        "include_schemas": True,
        "include_name": included({(table.schema, table.name) for table in models.tables.values()} | history),
        "compare_server_default": True,
        "render_item": rendered_default,
        "process_revision_directives": finisher({schema for schema, _ in history}),
    }


def without_schema(models: MetaData, name: str) -> MetaData:
    """Return the models without the name of the default schema, which alembic takes for a different schema."""
    if all(table.schema != name for table in models.tables.values()):
        return models

    def kept(*found: Any) -> Any:  # noqa: ANN401 - SQLAlchemy's signature
        return BLANK_SCHEMA if found[-1] == name else found[-1]

    copies = MetaData(naming_convention=models.naming_convention)
    for table in models.tables.values():
        schema: Any = None if table.schema == name else table.schema  # SQLAlchemy's type leaves out None
        table.to_metadata(copies, schema=schema, referred_schema_fn=kept)
    return copies


def tables_of(script: ScriptDirectory) -> set[TableName]:
    """Return the tables that the migrations create or rename: a table without a model is dropped only if it is here."""
    found: set[TableName] = set()
    for revision in script.walk_revisions():
        for node in ast.walk(ast.parse(Path(revision.path).read_bytes())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"op.create_table", "op.rename_table"}:
                schema = {word.arg: word.value for word in node.keywords}.get("schema")
                found |= {(_string(schema), name) for part in node.args[:2] if (name := _string(part))}
    return found


def included(known: AbstractSet[TableName]) -> Callable[[str | None, str, Mapping[str, str | None]], bool]:
    """Return the filter `include_name`: tables of the models and of the history, and their schemas."""
    schemas = {None, *(schema for schema, _ in known)}

    def include(name: str | None, kind: str, parents: Mapping[str, str | None]) -> bool:
        if kind == "schema":
            return name in schemas
        return kind != "table" or (parents["schema_name"], name) in known

    return include


def finisher(schemas: set[str | None]) -> Callable[[MigrationContext, Any, list[ops.MigrationScript]], None]:
    """Return the hook that finishes a new revision: its id carries the service, and new schemas are created first."""

    def finish(context: MigrationContext, _revision: Any, scripts: list[ops.MigrationScript]) -> None:  # noqa: ANN401 - alembic's signature
        quote = context.dialect.identifier_preparer.quote_schema
        for script in scripts:
            script.rev_id = PREFIX + str(script.rev_id).removeprefix(PREFIX)
            operations = script.upgrade_ops_list[-1].ops
            created = {operation.schema for operation in operations if isinstance(operation, ops.CreateTableOp)}
            for schema in sorted(filter(None, created - schemas)):
                operations.insert(0, ops.ExecuteSQLOp(f"CREATE SCHEMA IF NOT EXISTS {quote(schema)}"))

    return finish


def _string(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None
