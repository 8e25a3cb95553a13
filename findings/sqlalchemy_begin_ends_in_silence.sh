#!/usr/bin/env bash
# Versions: SQLAlchemy 2.1.9, with SQLite of the standard library. Python 3.11.
#
# Belief: a block `with sessions.begin() as session:` that ends without an exception has committed. A flush error that
# the block swallows leaves the transaction unusable, so the end of the block raises.
#
# Observed: the end of the block is silent, and nothing is committed, not even the rows that were flushed before. The
# same holds after `session.close()` and after `session.rollback()` inside the block. Only a further use of the session
# in the block after `rollback()` raises; after a swallowed flush error even a further `add` is accepted and lost.
#
# Output:
#   a flush error is swallowed: no error, 0 rows
#   a flush error is swallowed, then another row is added: no error, 0 rows
#   the session is closed: no error, 0 rows
#   the session is rolled back: no error, 0 rows
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/sessions.py" <<'PROGRAM'
from collections.abc import Callable
from contextlib import suppress

from sqlalchemy import create_engine, func, select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker


class Base(DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True)


engine = create_engine("sqlite://")
Base.metadata.create_all(engine)
sessions = sessionmaker(engine)
with sessions.begin() as session:
    session.add(Item(id=1))


def swallow(session: Session) -> None:
    session.add(Item(id=1))
    with suppress(IntegrityError):
        session.flush()


def swallow_and_add(session: Session) -> None:
    swallow(session)
    session.add(Item(id=3))


def outcome(end: Callable[[Session], None]) -> str:
    said = "no error"
    try:
        with sessions.begin() as session:
            session.add(Item(id=2))
            session.flush()
            end(session)
    except SQLAlchemyError as error:
        said = type(error).__name__
    with sessions() as session:
        rows = session.scalar(select(func.count()).where(Item.id > 1))
    return f"{said}, {rows} rows"


print("a flush error is swallowed:", outcome(swallow))
print("a flush error is swallowed, then another row is added:", outcome(swallow_and_add))
print("the session is closed:", outcome(Session.close))
print("the session is rolled back:", outcome(Session.rollback))
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check sqlalchemy==2.1.9
found=$("$folder/venv/bin/python" -W ignore "$folder/sessions.py")
echo "$found"
[[ $(grep -c ': no error, 0 rows$' <<<"$found") == 4 ]]
