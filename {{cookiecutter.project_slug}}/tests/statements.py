"""A budget of statements: `with statements(app, 1)` fails when the app sends more or fewer, as one for each row."""

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import FastAPI
from sqlalchemy import event

from app.resources import Resources


@contextmanager
def statements(app: FastAPI, number: int) -> Iterator[None]:
    """Fail unless the app sends exactly this many statements in the block, the driver's BEGIN and COMMIT left out."""
    resources: Resources = app.state.resources
    sent: list[str] = []

    def note(*arguments: object) -> None:
        """Take the arguments of SQLAlchemy's event, or those of the reader's observers, which begin with the text."""
        sent.append(str(arguments[2:3] or arguments[0]))

    event.listen(resources.engine.sync_engine, "before_cursor_execute", note)
    resources.reader.observers.append(note)
    yield
    event.remove(resources.engine.sync_engine, "before_cursor_execute", note)
    resources.reader.observers.remove(note)
    assert len(sent) == number, "\n".join([f"{len(sent)} statements in place of {number}:", *sent])
