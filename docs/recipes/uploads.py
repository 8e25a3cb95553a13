"""Large uploads: the client sends the bytes to the object storage with a presigned URL, and the service none of them.

Run: S3_URL=https://s3.example S3_BUCKET=files AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=... uvicorn uploads:app
"""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated
from uuid import UUID, uuid4

import boto3
import httpx2
from anyio import CapacityLimiter, to_thread
from botocore.config import Config
from fastapi import Body, Depends, FastAPI, HTTPException, Request

MAX_BYTES, URL_SECONDS = 5 * 1024**3, 300
"""The most bytes of an object, and the life of a URL in seconds, during which the URL works for anyone."""


class Storage:
    """Signs URLs, and asks the storage about objects with an async client."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        signing = Config(signature_version="s3v4", s3={"addressing_style": "path"})
        self._signer = boto3.client("s3", endpoint_url=os.environ["S3_URL"], region_name="us-east-1", config=signing)
        self._client, self._threads = client, CapacityLimiter(2)

    async def sign(self, operation: str, key: str, **parameters: object) -> str:
        """Sign a URL in a thread: signing computes, but may fetch new credentials of a role over the network."""
        parameters |= {"Bucket": os.environ["S3_BUCKET"], "Key": key}
        return await to_thread.run_sync(
            lambda: str(self._signer.generate_presigned_url(operation, parameters, ExpiresIn=URL_SECONDS)),
            limiter=self._threads,
        )

    async def size(self, key: str) -> int | None:
        """Return the size of an object in the storage, or None if the storage has no such object."""
        response = await self._client.head(await self.sign("head_object", key))
        if response.status_code == 404:  # noqa: PLR2004
            return None
        return int(response.raise_for_status().headers["Content-Length"])


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Build the signer, which reads files and so runs in a thread, and the HTTP client at the start."""
    async with httpx2.AsyncClient(timeout=3, limits=httpx2.Limits(max_connections=10), trust_env=False) as client:
        app.state.storage = await to_thread.run_sync(Storage, client)
        yield


async def storage_of(request: Request) -> Storage:
    storage: Storage = request.app.state.storage
    return storage


StorageDep = Annotated[Storage, Depends(storage_of)]
app = FastAPI(lifespan=lifespan)


@app.post("/uploads", status_code=201)
async def begin(size: Annotated[int, Body(embed=True, ge=1, le=MAX_BYTES)], storage: StorageDep) -> dict[str, str]:
    """Choose the object's name here, never in the client; a real service also stores the owner and size in a row."""
    key = uuid4()
    url = await storage.sign("put_object", f"uploads/{key}", ContentLength=size)  # no other size is accepted
    return {"id": str(key), "url": url}


@app.post("/uploads/{upload_id}/complete")
async def complete(upload_id: UUID, storage: StorageDep) -> int:
    """Ask the storage, not the client, for the size; a real service compares this size with the stored size."""
    if (size := await storage.size(f"uploads/{upload_id}")) is None:
        raise HTTPException(409, "The object has not arrived.")
    return size
