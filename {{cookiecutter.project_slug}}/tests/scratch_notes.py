"""Routes on a table whose unique constraint is checked at commit, for tests of when sessions commit or roll back."""

from contextlib import suppress

from fastapi import APIRouter, BackgroundTasks
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.dependencies import ReadSession, SnapshotSession, WriteSession

router = APIRouter()

# A trigger makes each commit last 5 ms, as on a disk: a response that is sent before the commit then fails a test every
# time, not only sometimes.
SCHEMA = (
    "CREATE TABLE scratch_notes (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)",
    """CREATE FUNCTION wait_a_moment() RETURNS trigger LANGUAGE plpgsql AS
       'BEGIN PERFORM pg_sleep(0.005); RETURN NULL; END'""",
    """CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON scratch_notes DEFERRABLE INITIALLY DEFERRED
       FOR EACH ROW EXECUTE FUNCTION wait_a_moment()""",
)


@router.post("/notes/{note}", status_code=201)
async def add_note(note: int, session: WriteSession) -> int:
    await session.execute(text("INSERT INTO scratch_notes VALUES (:note)"), {"note": note})
    return note


@router.post("/notes/{note}/then-fail", status_code=201)
async def add_note_then_fail(note: int, session: WriteSession) -> None:
    await session.execute(text("INSERT INTO scratch_notes VALUES (:note)"), {"note": note})
    raise RuntimeError("the handler is broken")


@router.post("/notes/{note}/swallowed", status_code=201)
async def add_note_and_swallow_an_error(note: int, session: WriteSession) -> None:
    await session.execute(text("INSERT INTO scratch_notes VALUES (:note)"), {"note": note})
    with suppress(DBAPIError):
        await session.execute(text("SELECT 1 / 0"))


@router.post("/notes/{note}/in-background", status_code=201)
async def add_note_in_background(note: int, session: WriteSession, later: BackgroundTasks) -> None:
    later.add_task(session.execute, text("INSERT INTO scratch_notes VALUES (:note)"), {"note": note})


@router.get("/notes/{note}")
async def count_notes(note: int, session: ReadSession) -> int:
    found: int = await session.scalar(text("SELECT count(*) FROM scratch_notes WHERE id = :note"), {"note": note}) or 0
    return found


@router.get("/write-through-read/{note}")
async def write_through_read(note: int, session: ReadSession) -> None:
    await session.execute(text("INSERT INTO scratch_notes VALUES (:note)"), {"note": note})


@router.get("/write-through-snapshot/{note}")
async def write_through_snapshot(note: int, session: SnapshotSession) -> None:
    await session.execute(text("INSERT INTO scratch_notes VALUES (:note)"), {"note": note})


@router.get("/snapshot")
async def count_twice(session: SnapshotSession) -> list[str]:
    level = text("SELECT current_setting('transaction_isolation')")
    stamp = text("SELECT now()::text")
    return [str(await session.scalar(statement)) for statement in (level, stamp, stamp)]
