"""PostgreSQL without an installation: a server for this program alone, which is deleted afterwards."""

import asyncio

import asyncpg
from devtools.postgres import test_server


async def version(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval("SHOW server_version_num"))
    finally:
        await connection.close()


if __name__ == "__main__":
    with test_server() as url:
        assert asyncio.run(version(url)) >= 180_000
