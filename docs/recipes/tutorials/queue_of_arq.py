import os

from arq import create_pool
from arq.connections import RedisSettings
from fastapi import FastAPI

app = FastAPI()


@app.on_event("startup")
async def startup():
    app.state.pool = await create_pool(RedisSettings.from_dsn(os.environ["VALKEY_URL"]))


@app.post("/arq")
async def by_arq():
    await app.state.pool.enqueue_job("confirm", 1)


@app.get("/alive")
async def alive():
    return "alive"
