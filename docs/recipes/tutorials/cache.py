import asyncio
import os

import redis.asyncio as redis
from fastapi import FastAPI

app = FastAPI()
client = redis.from_url(os.environ["VALKEY_URL"])


@app.get("/report")
async def report():
    if (found := await client.get("report")) is None:
        found = await slow_report()
        await client.set("report", found, ex=60)
    return {"report": found.decode()}


async def slow_report():
    await asyncio.sleep(0.1)
    return b"the figures of today"
