import os

from fastapi import Depends, FastAPI, Header
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

url = os.environ["DATABASE_URL"].replace("postgresql:", "postgresql+asyncpg:")
engine = create_async_engine(
    url, pool_size=1, connect_args={"statement_cache_size": 0, "prepared_statement_cache_size": 0}
)
sessions = async_sessionmaker(engine)
app = FastAPI()


async def get_session():
    async with sessions() as session:
        yield session


async def get_tenant_session(x_tenant: str = Header(), session: AsyncSession = Depends(get_session)):
    await session.execute(text(f"SET app.tenant = '{x_tenant}'"))
    await session.commit()
    return session


@app.get("/notes")
async def notes(session: AsyncSession = Depends(get_tenant_session)):
    return list(await session.scalars(text("SELECT text FROM notes ORDER BY id")))


@app.get("/public/notes")
async def public_notes(session: AsyncSession = Depends(get_session)):
    return list(await session.scalars(text("SELECT text FROM notes ORDER BY id")))
