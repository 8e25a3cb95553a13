import os

import asyncpg
from fastapi import FastAPI
from redis import Redis
from rq import Queue

queue = Queue(connection=Redis.from_url(os.environ["VALKEY_URL"]))
app = FastAPI()


@app.post("/orders")
async def create(item: str):
    connection = await asyncpg.connect(os.environ["DATABASE_URL"])
    order = await connection.fetchval("INSERT INTO orders (item) VALUES ($1) RETURNING id", item)
    queue.enqueue("tasks.confirm", order)
    return order
