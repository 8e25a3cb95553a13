import hashlib
import os

import asyncpg
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import APIKeyHeader

header = APIKeyHeader(name="X-API-Key")
app = FastAPI()


@app.get("/plain")
async def plain(key: str = Depends(header)):
    connection = await asyncpg.connect(os.environ["DATABASE_URL"])
    client = await connection.fetchval("SELECT client FROM keys WHERE key = $1", key)
    await connection.close()
    if client is None:
        raise HTTPException(401)
    return client


# stored like a password
SALT = b"pepper-and-salt!"


def hashed(key):
    return hashlib.scrypt(key.encode(), salt=SALT, n=2**14, r=8, p=1)


KNOWN = hashed("secret")


@app.get("/slow")
async def slow(key: str = Depends(header)):
    if hashed(key) != KNOWN:
        raise HTTPException(401)
    return "found"
