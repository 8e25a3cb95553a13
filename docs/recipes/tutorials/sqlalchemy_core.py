import asyncio
import os

import sqlalchemy
from databases import Database
from fastapi import FastAPI

database = Database(os.environ["DATABASE_URL"])
metadata = sqlalchemy.MetaData()
notes = sqlalchemy.Table(
    "notes",
    metadata,
    sqlalchemy.Column("id", sqlalchemy.Integer, primary_key=True),
    sqlalchemy.Column("text", sqlalchemy.String, nullable=False),
)
app = FastAPI(on_startup=[database.connect], on_shutdown=[database.disconnect])


@app.post("/notes")
async def create(texts: list[str]):
    async with database.transaction():
        await asyncio.gather(*(database.execute(notes.insert().values(text=text)) for text in texts))
        if "" in texts:
            raise ValueError("A note is empty.")


@app.get("/slow")
async def slow():
    return await database.fetch_val("SELECT 1, pg_sleep(0.5)")
