"""MongoDB: one AsyncMongoClient for the process, with a bounded pool, and a deadline for each request.

Run: MONGODB_URL=mongodb://127.0.0.1:27017 uvicorn mongodb:app
"""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import pymongo
from bson import ObjectId
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import PyMongoError, ServerSelectionTimeoutError, WaitQueueTimeoutError

MAX_POOL = 10
"""The most connections of this process: times workers and replicas, the number has to fit into the server's limit."""

DEADLINE_SECONDS = 2.0
"""The time for all database calls of a request: choosing a server, waiting for a connection, and each reply."""


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Open the MongoDB client at the start and close the client at the end; the first call connects."""
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(
        os.environ["MONGODB_URL"],
        maxPoolSize=MAX_POOL,  # the driver's default is 100 connections
        waitQueueTimeoutMS=500,  # by default, a call waits for a connection without a limit
        serverSelectionTimeoutMS=1000,  # the default wait for a server is 30 s
        connectTimeoutMS=1000,
        timeoutMS=int(DEADLINE_SECONDS * 1000),  # for a call outside a request; no limit by default
    )
    async with client:
        app.state.orders = client["shop"]["orders"]
        yield


async def orders_of(request: Request) -> AsyncCollection[dict[str, Any]]:
    """Return the MongoDB collection that the lifespan opened."""
    orders: AsyncCollection[dict[str, Any]] = request.app.state.orders
    return orders


Orders = Annotated[AsyncCollection[dict[str, Any]], Depends(orders_of)]
app = FastAPI(lifespan=lifespan)


@app.exception_handler(PyMongoError)
async def refuse(_request: Request, error: PyMongoError) -> JSONResponse:
    """Answer 504 after a timeout, and 503 while the server is down or the pool is busy."""
    late = error.timeout and not isinstance(error, WaitQueueTimeoutError | ServerSelectionTimeoutError)
    return JSONResponse({"detail": "The database does not answer."}, 504 if late else 503, {"Retry-After": "1"})


class Order(BaseModel):
    """The fields of an order; a query has typed values only, so that no client can send an operator such as `$ne`."""

    item: str = Field(max_length=100)


@app.post("/orders", status_code=201)
async def create(order: Order, orders: Orders) -> dict[str, str]:
    with pymongo.timeout(DEADLINE_SECONDS):
        return {"id": str((await orders.insert_one(order.model_dump())).inserted_id)}


@app.get("/orders/{order_id}")
async def read(order_id: str, orders: Orders) -> Order:
    with pymongo.timeout(DEADLINE_SECONDS):
        found = await orders.find_one({"_id": ObjectId(order_id)}) if ObjectId.is_valid(order_id) else None
    if found is None:
        raise HTTPException(404, "There is no such order.")
    return Order(**found)
