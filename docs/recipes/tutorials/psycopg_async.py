import os

import psycopg
from fastapi import FastAPI, Request

app = FastAPI()


@app.post("/readings")
async def load(request: Request):
    lines = (await request.body()).decode().splitlines()
    async with await psycopg.AsyncConnection.connect(os.environ["DATABASE_URL"]) as connection:
        for line in lines:
            await connection.execute("INSERT INTO readings VALUES (%s, %s)", line.split(","))
    return len(lines)
