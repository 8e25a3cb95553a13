"""Compares the models with a database, for `alembic check` and `make migration`.

alembic itself does not compare the conditions of CHECK constraints and the predicates of indexes, and compares defaults
only by their values. alembic sees that the length or precision of a type changed, but not that a length or precision
was added or removed.
"""

from typing import Any

from alembic.autogenerate import comparators
from alembic.autogenerate.api import AutogenContext
from alembic.ddl._autogen import ComparisonResult
from alembic.ddl.postgresql import PostgresqlImpl
from alembic.util import CommandError, DispatchPriority, PriorityDispatchResult
from sqlalchemy import CheckConstraint, Column, FromClause, Index, String, Table, text
from sqlalchemy.exc import DBAPIError

UNFINISHED = text("""
    SELECT nullif(nspname, current_schema()) AS schema, relname AS table, problem FROM (
        SELECT indrelid AS owner, format('the index %s is invalid', indexrelid::regclass) AS problem
        FROM pg_index WHERE NOT indisvalid
        UNION ALL
        SELECT conrelid, format('the constraint %I of %s is %s', conname, conrelid::regclass,
            CASE WHEN pg_get_constraintdef(oid) LIKE '%NOT ENFORCED' THEN 'not enforced' ELSE 'not validated' END)
        FROM pg_constraint WHERE NOT convalidated
    ) AS found JOIN pg_class ON pg_class.oid = owner JOIN pg_namespace ON pg_namespace.oid = relnamespace
    ORDER BY problem
""")
"""SQL that finds invalid indexes, and constraints that are not validated: autogenerate ignores both states."""


class PostgreSQL(PostgresqlImpl):
    """alembic's rules for PostgreSQL, but with longer revision ids, and with expressions compared by PostgreSQL itself.

    PostgreSQL stores expressions in a normal form of its own; alembic compares them as text, by their values, or not at
    all.
    """

    __dialect__ = "postgresql"  # registers this class in place of alembic's

    def version_table_impl(self, **options: Any) -> Table:  # noqa: ANN401 - options passed on to alembic
        """Return the table `alembic_version` with ids of up to 100 characters; alembic's own has 32."""
        table = super().version_table_impl(**options)
        table.c.version_num.type = String(100)
        return table

    def compare_type(self, inspector_column: Column[Any], metadata_column: Column[Any]) -> bool:
        """Tell whether two types differ, also when just one of them has a length or a precision."""
        texts = [column.type.compile(dialect=self.dialect) for column in (inspector_column, metadata_column)]
        has_size = ["(" in text for text in texts if text.startswith(("VARCHAR", "NUMERIC"))]
        return set(has_size) == {True, False} or super().compare_type(inspector_column, metadata_column)

    def compare_server_default(
        self, _inspector_column: Column[Any], metadata_column: Column[Any], rendered: str | None, found: str | None
    ) -> bool:
        """Tell whether two defaults of a column differ; defaults of SERIAL columns are not compared."""
        if metadata_column.primary_key and metadata_column is metadata_column.table._autoincrement_column:  # noqa: SLF001 - the condition is alembic's own
            return False
        if rendered is None or found is None:
            return rendered is not found
        if isinstance(getattr(metadata_column.server_default, "arg", None), str):
            rendered = "'" + rendered.replace("'", "''") + "'"
        kind = metadata_column.type.compile(dialect=self.dialect)
        return not self.reads_alike(f"({rendered})::{kind}", f"({found})::{kind}")

    def compare_check_constraint(self, wanted: CheckConstraint, found: CheckConstraint) -> ComparisonResult:
        """Compare the conditions of two CHECK constraints of the same name."""
        return self.compared("condition", wanted.sqltext, found.sqltext, found.table)

    def compare_indexes(self, wanted: Index, found: Index) -> ComparisonResult:
        """Compare two indexes, including their predicates."""
        result: ComparisonResult = super().compare_indexes(wanted, found)
        if result.is_different:
            return result
        predicate, stored = (index.dialect_options["postgresql"]["where"] for index in (wanted, found))
        if predicate is None or stored is None:
            return result if predicate is stored else ComparisonResult.Different("predicate")
        differs = self.compared("predicate", predicate, stored, found.table)
        return differs if differs.is_different else result

    def compared(self, name: str, wanted: Any, found: Any, table: FromClause | None) -> ComparisonResult:  # noqa: ANN401 - Any stands for alembic's types
        """Compare two SQL expressions on the columns of a table; `name` says in the result what the expressions are."""
        texts = [self._compile_element(part) for part in (wanted, found)]
        if self.reads_alike(*texts, table=table):
            return ComparisonResult.Equal()
        return ComparisonResult.Different(f"{name} {texts[1]} to {texts[0]}")

    def reads_alike(self, *expressions: str, table: FromClause | None = None) -> bool:
        """Tell whether PostgreSQL parses two expressions to the same plan, by EXPLAIN, which neither locks nor writes.

        Expressions that PostgreSQL cannot parse count as different: their columns do not exist yet, or no longer.
        """
        columns = ", ".join(f"({expression})" for expression in expressions)
        source = "" if table is None else f"FROM ONLY {self.dialect.identifier_preparer.format_table(table)}"
        assert self.connection is not None  # noqa: S101 - without a database there is nothing to compare
        try:
            with self.connection.begin_nested():
                plan: Any = self.connection.exec_driver_sql(
                    f"EXPLAIN (VERBOSE, FORMAT JSON) SELECT {columns} {source}"
                ).scalar()
        except DBAPIError:
            return False
        first, second = plan[0]["Plan"]["Output"]
        return bool(first == second)


@comparators.dispatch_for("column", subgroup="server_default", priority=DispatchPriority.FIRST)
def refuse_changed_generated(context: AutogenContext, *arguments: Any) -> PriorityDispatchResult:  # noqa: ANN401 - the signature of alembic's hook
    """Refuse a generated column whose expression differs from the model's; alembic itself only warns.

    Raises:
        CommandError: the column differs; the message says what to do.
    """
    name, found, wanted = arguments[-3:]
    if found.computed is None and wanted.computed is None:
        return PriorityDispatchResult.CONTINUE
    impl = context.migration_context.impl
    assert isinstance(impl, PostgreSQL)  # noqa: S101 - the class is registered above
    if found.computed is not None and wanted.computed is not None:
        stored = wanted.computed.persisted in {None, found.computed.persisted}
        if stored and impl.compared("", wanted.computed.sqltext, found.computed.sqltext, found.table).is_equal:
            return PriorityDispatchResult.STOP
    raise CommandError(
        f"The generated column {name} of {wanted.table.name} differs from its model. Write a migration by hand, "
        "`alembic revision`: op.drop_column and op.add_column, which rewrite the table if the column is stored."
    )


@comparators.dispatch_for("schema")
def refuse_unfinished(context: AutogenContext, *_: object) -> PriorityDispatchResult:
    """Refuse to compare the models with a database that has an invalid index or a constraint not validated.

    Raises:
        CommandError: tables of this service have such indexes or constraints; the message names them all.
    """
    assert context.connection is not None  # noqa: S101 - without a database there is nothing to compare
    problems = [
        problem
        for schema, table, problem in context.connection.execute(UNFINISHED)
        if context.run_name_filters(table, "table", {"schema_name": schema})
    ]
    if problems:
        raise CommandError(
            f"A migration is unfinished: {'; '.join(problems)}. Drop an invalid index with DROP INDEX CONCURRENTLY and "
            "create it again; end a NOT VALID constraint with ALTER TABLE ... VALIDATE CONSTRAINT."
        )
    return PriorityDispatchResult.CONTINUE


def rendered_default(kind: str, item: Any, _context: AutogenContext) -> str | bool:  # noqa: ANN401 - the signature of alembic's hook
    """Return the Python source of a string default; alembic itself strips quotes at both ends of the string."""
    if kind == "server_default" and isinstance(getattr(item, "arg", None), str):
        return repr(item.arg)
    return False  # False lets alembic render the default itself
