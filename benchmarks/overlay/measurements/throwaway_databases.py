"""Runs a throwaway PostgreSQL with migrated and filled databases until standard input ends.

The program prints the word ready and, as JSON, the server's log and process id, and the URL of each database.
"""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import asyncpg

from devtools.postgres import test_server as throwaway_server

ITEMS = 10_000
ORDERS = 2_000

FILL = f"""
INSERT INTO items (name, kind, price_cents, in_stock, created_at)
SELECT 'Item number ' || n, (ARRAY['book', 'part', 'tool'])[n % 3 + 1], n, n % 2 = 0, '2026-01-01'::timestamptz
FROM generate_series(1, {ITEMS}) n;
INSERT INTO orders (customer, currency, state, created_at)
SELECT 'Customer ' || n, 'EUR', 'placed', '2026-01-01'::timestamptz FROM generate_series(1, {ORDERS}) n;
INSERT INTO order_lines (order_id, position, sku, quantity, unit_price)
SELECT n, line, 'TEA-' || line, line, 4.50 FROM generate_series(1, {ORDERS}) n, generate_series(1, 3) line;
"""  # noqa: S608 - SQL from constants only

DATABASES = {"measured": "none", "counted": "all"}
"""The databases, each with its `log_statement`: the SQL statements on the second database are counted from the log."""


def on_database(url: str, name: str) -> str:
    """Return the URL of a different database on the same server."""
    return f"{url.rpartition('/')[0]}/{name}"


async def create(server_url: str) -> None:
    """Create the empty databases."""
    connection = await asyncpg.connect(server_url)
    for name, logged in DATABASES.items():
        await connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await connection.execute(f"CREATE DATABASE {name}")
        await connection.execute(f"ALTER DATABASE {name} SET log_statement = '{logged}'")
    await connection.close()


async def fill(url: str) -> None:
    """Insert rows into a database, then run ANALYZE, so that no query plan changes during the measurement."""
    connection = await asyncpg.connect(url)
    await connection.execute(FILL)
    await connection.execute("ANALYZE")
    await connection.close()


async def describe(server_url: str) -> dict[str, object]:
    """Return the server's log and process id, and the URL of each database."""
    connection = await asyncpg.connect(server_url)
    data = Path(await connection.fetchval("SHOW data_directory"))
    await connection.close()
    pid = int((data / "postmaster.pid").read_text("utf-8").split("\n", maxsplit=1)[0])
    urls = {name: on_database(server_url, name) for name in DATABASES}
    return {"log": str(data.parent / "server.log"), "pid": pid, "urls": urls}


def main() -> None:
    """Start the PostgreSQL server, fill the databases, print their URLs, and wait for the end of standard input."""
    with throwaway_server() as server_url:
        asyncio.run(create(server_url))
        for name in DATABASES:
            url = on_database(server_url, name)
            command = [sys.executable, "-m", "alembic", "upgrade", "head"]
            subprocess.run(command, env=os.environ | {"DATABASE_URL": url}, check=True, stdout=sys.stderr)
            asyncio.run(fill(url))
        print("ready", json.dumps(asyncio.run(describe(server_url))), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
