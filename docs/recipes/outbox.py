"""Tasks for Celery, RQ, Dramatiq, taskiq or arq that no crash loses: stored in the transaction, moved by a relay.

Run: DATABASE_URL=postgresql://user@127.0.0.1/app VALKEY_URL=redis://127.0.0.1:6379 uvicorn outbox:app
"""

import asyncio
import json
import logging
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, Request
from redis import Redis
from rq import Queue

TABLES = """
CREATE TABLE IF NOT EXISTS orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, item text NOT NULL);
CREATE TABLE IF NOT EXISTS outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, task text, payload jsonb)
"""
NEXT = "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox ORDER BY id LIMIT 100 FOR UPDATE SKIP LOCKED) RETURNING *"
POLL_SECONDS = 0.2


class Relay:
    """Moves rows of the outbox table into the task queue, in every process; a lock leaves each row to one process."""

    def __init__(self, pool: asyncpg.Pool, queue: Queue) -> None:
        self.pool, self.queue, self.thread = pool, queue, CapacityLimiter(1)

    async def run(self) -> None:
        """Move rows until cancelled; while the queue or the database is down, the rows stay in the table."""
        while True:
            try:
                moved = await self.move()
            except Exception:
                logging.getLogger("outbox").exception("rows of the outbox not moved")
                moved = 0
            await asyncio.sleep(0 if moved else POLL_SECONDS)

    async def move(self) -> int:
        """Send some rows, then commit their deletion: after a crash in between, a task is sent twice, never lost."""
        async with self.pool.acquire() as connection, connection.transaction():
            rows = await connection.fetch(NEXT)
            await to_thread.run_sync(self._send, rows, limiter=self.thread)  # RQ and Celery block, so a thread calls
        return len(rows)

    def _send(self, rows: list[Any]) -> None:
        for row in rows:
            self.queue.enqueue(row["task"], json.loads(row["payload"]), job_id=f"outbox-{row['id']}")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Open the database and the queue, and move rows of the outbox as long as the process lives."""
    url, bounds = os.environ["VALKEY_URL"], {"socket_timeout": 2, "socket_connect_timeout": 1}
    async with asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=1, max_size=5, command_timeout=5) as pool:
        await pool.execute(TABLES)  # a real service creates tables by migrations
        with Redis.from_url(url, **bounds) as client:
            app.state.pool = pool
            async with asyncio.TaskGroup() as group:
                relay = group.create_task(Relay(pool, Queue(connection=client)).run())
                yield
                relay.cancel()


app = FastAPI(lifespan=lifespan)


@app.post("/orders", status_code=201)
async def create(item: str, request: Request) -> int:
    async with request.app.state.pool.acquire(timeout=1) as connection, connection.transaction():
        order: int = await connection.fetchval("INSERT INTO orders (item) VALUES ($1) RETURNING id", item)
        message = json.dumps({"order": order})
        await connection.execute("INSERT INTO outbox (task, payload) VALUES ('tasks.confirm', $1)", message)
    return order
