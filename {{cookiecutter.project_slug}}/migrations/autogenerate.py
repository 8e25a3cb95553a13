"""Rules for alembic's autogenerate: the ids of revisions, and the tables that autogenerate compares with the models.

Without these rules, alembic would drop the tables of extensions and of other tools, which have no models.
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
"""A table's schema, None for the default schema, and the table's name."""


def load_models() -> None:
    """Import every `app/*/models.py`: autogenerate would drop the table of a model that is not imported."""
    for file in sorted(Path(app.__file__).parent.glob("*/models.py")):
        import_module(f"app.{file.parent.name}.models")


def options(script: ScriptDirectory, default_schema: str = "public") -> dict[str, Any]:
    """Return the arguments of alembic's `context.configure` for the models and the migrations of this service."""
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
    """Return the models' metadata without the default schema's name, which alembic would take for another schema."""
    if all(table.schema != name for table in models.tables.values()):
        return models

    def kept(*found: Any) -> Any:  # noqa: ANN401 - the signature of SQLAlchemy's callback
        return BLANK_SCHEMA if found[-1] == name else found[-1]

    copies = MetaData(naming_convention=models.naming_convention)
    for table in models.tables.values():
        schema: Any = None if table.schema == name else table.schema  # SQLAlchemy's types do not allow None here
        table.to_metadata(copies, schema=schema, referred_schema_fn=kept)
    return copies


def tables_of(script: ScriptDirectory) -> set[TableName]:
    """Return the tables that migrations create or rename: of the tables without a model, only these may be dropped."""
    found: set[TableName] = set()
    for revision in script.walk_revisions():
        for node in ast.walk(ast.parse(Path(revision.path).read_bytes())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {"op.create_table", "op.rename_table"}:
                schema = {word.arg: word.value for word in node.keywords}.get("schema")
                found |= {(_string(schema), name) for part in node.args[:2] if (name := _string(part))}
    return found


def included(known: AbstractSet[TableName]) -> Callable[[str | None, str, Mapping[str, str | None]], bool]:
    """Return alembic's filter `include_name`, which admits the schemas and tables of the models and the migrations."""
    schemas = {None, *(schema for schema, _ in known)}

    def include(name: str | None, kind: str, parents: Mapping[str, str | None]) -> bool:
        if kind == "schema":
            return name in schemas
        return kind != "table" or (parents["schema_name"], name) in known

    return include


def finisher(schemas: set[str | None]) -> Callable[[MigrationContext, Any, list[ops.MigrationScript]], None]:
    """Return alembic's hook for a new revision: the id gets the service's prefix, and new schemas are created first."""

    def finish(context: MigrationContext, _revision: Any, scripts: list[ops.MigrationScript]) -> None:  # noqa: ANN401 - the signature of alembic's hook
        # Only a new revision has a message: `alembic check`, which writes no revision, has none.
        if scripts[-1].message and scripts[-1].upgrade_ops_list[-1].is_empty():
            scripts.clear()
            msg("No model changed, so no revision is written. The README has the command for a revision by hand.")
        quote = context.dialect.identifier_preparer.quote_schema
        for script in scripts:
            script.rev_id = PREFIX + str(script.rev_id).removeprefix(PREFIX)
            operations = script.upgrade_ops_list[-1].ops
            if dropped := [operation for operation in operations if isinstance(operation, ops.DropTableOp)]:
                # alembic takes the dropped tables from a set, in any order: a table could be dropped before a table
                # that refers to it.
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
    """Return operations that drop tables, in foreign key order: a table comes after the tables that refer to it.

    If tables refer to each other in a circle, the order stays as it is, and a developer completes the migration.
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
    """Yield a sentence for each added column without a value for existing rows: the migration would fail."""
    for table in operations:
        for added in table.ops if isinstance(table, ops.ModifyTableOps) else ():
            if isinstance(added, ops.AddColumnOp) and not (added.column.nullable or added.column.server_default):
                name = f"{added.table_name}.{added.column.name}"
                yield f"{name} is required: where the table has rows, write server_default=... into the migration."


def _string(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None
