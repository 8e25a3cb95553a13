"""Compiled statements: a SELECT in the form in which the driver runs it, without SQLAlchemy.

SQLAlchemy compiles a statement for its first run, and this module keeps the result: the SQL text, the order of the
values and the conversions of types. They are the same in every later run, so nothing is compiled again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import Executable, Result, SelectBase
from sqlalchemy.engine.result import ResultMetaData

Values = Mapping[str, Any]
AnyRows = Result[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Compiled:
    """A SELECT of columns, as SQLAlchemy has compiled it for the driver, without a reference to the statement."""

    text: str
    names: frozenset[str]
    """The names of the values with which the statement was compiled; with other names, a call goes through
    SQLAlchemy."""
    parameters: tuple[tuple[str | None, Callable[[Any], Any] | None, Any], ...]
    """For each placeholder `$1`, `$2` and so on: the name of a value and the conversion of its type, or a constant."""
    shape: ResultMetaData
    """The names of the columns of a row, and for each column the conversion from the driver's type."""

    @classmethod
    def of(cls, statement: Executable, values: Values, result: AnyRows) -> Self | None:
        """Take the compiled statement out of a first result; None if later runs may differ in more than values."""
        shape: Any = result._metadata  # noqa: SLF001 - SQLAlchemy reuses these metadata for its next run, too
        if not (isinstance(statement, SelectBase) and getattr(shape, "_safe_for_cache", False)):
            return None
        context: Any = result.context  # type: ignore[attr-defined] # of a cursor
        compiled, given = context.compiled, values.keys()
        varies = compiled.cache_key is None or compiled.post_compile_params or compiled.literal_execute_params
        computed = statement.get_execution_options() or any(bind.callable for bind in compiled.binds.values())
        if varies or computed or not given <= set(compiled.positiontup):
            return None
        parameters = [
            (name, compiled._bind_processors.get(name), None) if name in values else (None, None, constant)  # noqa: SLF001
            for name, constant in zip(compiled.positiontup, context.parameters[0], strict=True)
        ]
        return cls(context.statement, frozenset(given), tuple(parameters), shape)

    def arguments(self, values: Values) -> list[Any]:
        """Return the arguments for the driver, converted from these values."""
        return [
            constant if name is None else values[name] if convert is None else convert(values[name])
            for name, convert, constant in self.parameters
        ]
