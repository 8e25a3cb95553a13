"""A statement budget: `with statements(app, 1)` fails unless the app sends exactly one SQL statement in the block."""

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import FastAPI
from sqlalchemy import event

from app.resources import Resources


@contextmanager
def statements(app: FastAPI, number: int) -> Iterator[None]:
    """Fail unless the app sends exactly `number` statements in the block, without the driver's BEGIN and COMMIT."""
    resources: Resources = app.state.resources
    sent: list[str] = []

    def note(*arguments: object) -> None:
        """Record a statement: the first text among the arguments of SQLAlchemy's event or the reader's observer."""
        sent.append(str(next(argument for argument in arguments if isinstance(argument, str))))

    event.listen(resources.engine.sync_engine, "before_cursor_execute", note)
    resources.reader.observers.append(note)
    yield
    event.remove(resources.engine.sync_engine, "before_cursor_execute", note)
    resources.reader.observers.remove(note)
    assert len(sent) == number, "\n".join([f"{len(sent)} statements in place of {number}:", *sent])
