"""Statements of requests in tests: `with statements(1)` is the exact number; none is repeated for each row (N+1)."""

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager

from app.database.statements import CONTROL, observers
from app.request.timings import Timings, timings

REPEATS = 3
"""A test fails when one request sends the same SQL text this many times: a statement for each row."""


class WrongStatements(Exception):
    """The failure of a test whose requests sent another number of statements, or a statement for each row."""


@contextmanager
def statements(number: int | None = None) -> Generator[None]:
    """Fail unless the requests of the block send exactly `number` statements, without BEGIN, COMMIT and savepoints.

    Raises:
        WrongStatements: with the SQL texts; also for a text that one request sent `REPEATS` times.
    """
    sent: list[tuple[Timings, str]] = []

    def note(sql: str, *_: object) -> None:
        request = timings.get()
        if request is not None and not sql.startswith(CONTROL):
            sent.append((request, sql))

    observers.append(note)
    try:
        yield
    finally:
        observers.remove(note)
    if number not in {None, len(sent)}:
        raise WrongStatements("\n".join([f"{len(sent)} statements in place of {number}:", *(sql for _, sql in sent)]))
    for (_, sql), times in Counter((id(request), sql) for request, sql in sent).items():
        if times >= REPEATS:
            raise WrongStatements(f"{times} times in one request, which a join, IN or selectinload would save: {sql}")
