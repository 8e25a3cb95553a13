"""Creates an empty database; the arguments are the URL of a different database on the same server, and the new name."""

import asyncio
import sys

import asyncpg


async def main(url: str, name: str) -> None:
    """Drop a database of this name, if any, and create an empty database."""
    connection = await asyncpg.connect(url)
    await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    await connection.execute(f'CREATE DATABASE "{name}"')
    await connection.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
