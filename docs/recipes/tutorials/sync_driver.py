import os

import psycopg
from fastapi import FastAPI
from psycopg_pool import ConnectionPool

app = FastAPI()
pool = ConnectionPool(os.environ["DATABASE_URL"], min_size=5, max_size=5, open=True)


@app.get("/async-report")
async def async_report():
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        return connection.execute("SELECT 1, pg_sleep(0.05)").fetchone()[0]


@app.get("/def-report")
def def_report():
    with pool.connection() as connection:
        return connection.execute("SELECT 1, pg_sleep(0.05)").fetchone()[0]


@app.get("/quick")
def quick():
    return "no database"
