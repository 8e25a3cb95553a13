import os

import asyncpg
from fastapi import FastAPI, HTTPException

app = FastAPI()


@app.put("/notes/{note_id}")
async def write(note_id: int, text: str):
    connection = await asyncpg.connect(os.environ["DATABASE_URL"])
    await connection.execute("INSERT INTO notes VALUES ($1, $2)", note_id, text)
    await connection.close()


@app.get("/notes/{note_id}")
async def read(note_id: int):
    connection = await asyncpg.connect(os.environ["REPLICA_URL"])
    text = await connection.fetchval("SELECT text FROM notes WHERE id = $1", note_id)
    await connection.close()
    if text is None:
        raise HTTPException(404)
    return text
