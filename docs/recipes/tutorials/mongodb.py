import os

from fastapi import Depends, FastAPI
from motor.motor_asyncio import AsyncIOMotorClient

app = FastAPI()


async def get_database():
    client = AsyncIOMotorClient(os.environ["MONGODB_URL"])
    return client.shop


@app.post("/orders")
async def create(order: dict, database=Depends(get_database)):
    await database.orders.insert_one(order)
    return "created"


@app.post("/orders/search")
async def search(query: dict, database=Depends(get_database)):
    found = await database.orders.find_one({"item": query["item"]})
    return found and found["item"]
