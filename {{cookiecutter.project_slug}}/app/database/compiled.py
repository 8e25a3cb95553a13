"""Compiled SELECTs: SQL text and type conversions with which `Reader` runs a SELECT on asyncpg, without SQLAlchemy.

SQLAlchemy compiles a SELECT at the first run, and `Compiled` keeps the result: the SQL text, the sequence of the
parameters, and the conversions of parameters and columns. In a later run, only the values of the parameters differ.
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
    """The compiled form of a SELECT of columns.

    The object has no reference to the SELECT: `Reader` keeps it in a weak dictionary with the SELECT as the key, and a
    reference would keep the entry in memory for ever.
    """

    text: str
    names: frozenset[str]
    """The names of the bound parameters at the first run. A call with different names runs through SQLAlchemy."""
    parameters: tuple[tuple[str | None, Callable[[Any], Any] | None, Any], ...]
    """A triple for each placeholder `$1`, `$2` and so on: the name of the bound parameter, the conversion of the value
    (None if there is none), and None; for a constant: None, None, and the constant."""
    shape: ResultMetaData
    """SQLAlchemy's metadata of the result: the names of the columns, and the conversion of each from asyncpg's type."""

    @classmethod
    def of(cls, statement: Executable, values: Values, result: AnyRows) -> Self | None:
        """Return the compiled form of a statement from the first result, None if the SQL text may differ later."""
        shape: Any = result._metadata  # noqa: SLF001 - SQLAlchemy itself reuses these metadata for later runs
        if not (isinstance(statement, SelectBase) and getattr(shape, "_safe_for_cache", False)):
            return None
        context: Any = result.context  # type: ignore[attr-defined] # a cursor's result has it
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
        """Return the arguments for asyncpg: the parameter values, converted, in the order of the placeholders."""
        return [
            constant if name is None else values[name] if convert is None else convert(values[name])
            for name, convert, constant in self.parameters
        ]
