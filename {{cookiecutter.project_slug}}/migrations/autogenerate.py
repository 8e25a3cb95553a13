"""Rules for alembic: the ids of revisions, and the tables that are compared with the models.

By itself alembic would drop the tables of extensions and of other tools, as no model has them.
"""

import ast
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from graphlib import CycleError, TopologicalSorter
from importlib import import_module
from pathlib import Path
from typing import Any

from alembic.operations import ops
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import msg
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
            if dropped := [operation for operation in operations if isinstance(operation, ops.DropTableOp)]:
                # alembic takes them from a set: a table could be dropped before the tables that refer to it
                operations[:] = [operation for operation in operations if operation not in dropped]
                operations += referring_first(dropped)
                script.upgrade_ops_list[-1].reverse_into(script.downgrade_ops_list[-1])
            for sentence in warnings(operations):
                msg(sentence)
            created = {operation.schema for operation in operations if isinstance(operation, ops.CreateTableOp)}
            for schema in sorted(filter(None, created - schemas)):
                operations.insert(0, ops.ExecuteSQLOp(f"CREATE SCHEMA IF NOT EXISTS {quote(schema)}"))

    return finish


def referring_first(dropped: Collection[ops.DropTableOp]) -> Iterable[ops.DropTableOp]:
    """Return operations that drop tables in an order for their foreign keys: a table comes after the referring tables.

    Tables that refer to each other keep their order, and a person finishes the migration.
    """
    names = {".".join(filter(None, (table.schema, table.table_name))): table for table in dropped}
    referring: dict[str, set[str]] = {name: set() for name in sorted(names)}
    for name, table in names.items():
        for key in table.to_table().foreign_keys:
            referring.get(key.target_fullname.rpartition(".")[0], set()).add(name)
    try:
        order = [*TopologicalSorter({name: found - {name} for name, found in referring.items()}).static_order()]
    except CycleError:
        return dropped
    return [names[name] for name in order]


def warnings(operations: Iterable[ops.MigrateOperation]) -> Iterator[str]:
    """Yield a sentence for each added column that has no value for the rows of its table: the migration would fail."""
    for table in operations:
        for added in table.ops if isinstance(table, ops.ModifyTableOps) else ():
            if isinstance(added, ops.AddColumnOp) and not (added.column.nullable or added.column.server_default):
                name = f"{added.table_name}.{added.column.name}"
                yield f"{name} is required: where the table has rows, write server_default=... into the migration."


def _string(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None
