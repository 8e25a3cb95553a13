#!/usr/bin/env bash
# Versions: FastAPI 0.165.0, SQLAlchemy 2.1.9 with aiosqlite 0.22.1, httpx2 2.16.2. Python 3.11.
#
# Belief: a dependency is called once for a request, so the route and the dependency that finds the user share one
# session. `Depends(get_session, scope="function")` in the route moves the end of that session to before the response.
#
# Observed: the scope is a part of the key of the cache. A route that asks for `scope="function"` while another
# dependency of the same request asks for `Depends(get_session)` gets a session of its own: two transactions, and two
# connections of the pool. The user belongs to the other session, so when the route changes the user and commits its
# session, nothing is written: 200, no error, and the row is as before. With the same scope at both places it is
# written.
#
# Output:
#   both without a scope: 200, sessions 1, stored name new
#   both with scope="function": 200, sessions 1, stored name new
#   only the route with scope="function": 200, sessions 2, stored name old
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat > "$folder/sessions.py" <<'PROGRAM'
import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.pool import NullPool

engine = create_async_engine(f"sqlite+aiosqlite:///{sys.argv[1]}/users.db", poolclass=NullPool)
sessions = async_sessionmaker(engine, expire_on_commit=False)
opened = 0


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


async def get_session() -> AsyncIterator[AsyncSession]:
    global opened
    opened += 1
    async with sessions() as session:
        yield session


Session = Annotated[AsyncSession, Depends(get_session)]
EarlySession = Annotated[AsyncSession, Depends(get_session, scope="function")]


async def get_user(session: Session) -> User:
    return await session.get_one(User, 1)


async def get_user_early(session: EarlySession) -> User:
    return await session.get_one(User, 1)


app = FastAPI()


@app.put("/both-without")
async def both_without(user: Annotated[User, Depends(get_user)], session: Session) -> None:
    user.name = "new"
    await session.commit()


@app.put("/both-with")
async def both_with(user: Annotated[User, Depends(get_user_early)], session: EarlySession) -> None:
    user.name = "new"
    await session.commit()


@app.put("/one-with")
async def one_with(user: Annotated[User, Depends(get_user)], session: EarlySession) -> None:
    user.name = "new"
    await session.commit()


async def begin() -> None:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.drop_all)
        await connection.run_sync(Base.metadata.create_all)
    async with sessions.begin() as session:
        session.add(User(id=1, name="old"))


async def stored() -> str:
    async with sessions() as session:
        return (await session.get_one(User, 1)).name


client = TestClient(app)
for name, path in {
    "both without a scope": "/both-without",
    'both with scope="function"': "/both-with",
    'only the route with scope="function"': "/one-with",
}.items():
    asyncio.run(begin())
    opened = 0
    status = client.put(path).status_code
    print(f"{name}: {status}, sessions {opened}, stored name {asyncio.run(stored())}")
PROGRAM

python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    fastapi==0.165.0 starlette==1.10.0 httpx2==2.16.2 sqlalchemy==2.1.9 greenlet==3.5.6 aiosqlite==0.22.1
found=$("$folder/venv/bin/python" "$folder/sessions.py" "$folder")
echo "$found"
[[ $found == 'both without a scope: 200, sessions 1, stored name new
both with scope="function": 200, sessions 1, stored name new
only the route with scope="function": 200, sessions 2, stored name old' ]]
