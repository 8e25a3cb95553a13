"""Correct twins that compute elsewhere than on the event loop, in small pieces, or only a little."""

import asyncio
import hashlib
import json
import re
import zlib
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, field_validator

from app.work.offload import Offload
from app.work.processes import Processes

router = APIRouter()

LARGE = bytes(range(256)) * 40_000


def password_hash() -> str:
    return hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 300_000).hex()


@router.get("/a_hash_in_a_thread")
async def a_hash_in_a_thread() -> str:
    return await asyncio.to_thread(password_hash)


def price(units: int) -> int:
    return sum(number % 7 for number in range(units))


async def offload() -> Offload:
    return Offload(threads=1)


OffloadDep = Annotated[Offload, Depends(offload)]


async def processes() -> Processes:
    return Processes(processes=1)


@router.get("/a_loop_in_another_process")
async def a_loop_in_another_process(elsewhere: Annotated[Processes, Depends(processes)]) -> int:
    try:
        return await elsewhere.run(price, 1_000_000)
    finally:
        await elsewhere.close()


def compress() -> int:
    return len(zlib.compress(LARGE, 6))


@router.get("/compression_in_a_thread_of_the_service")
async def compression_in_a_thread_of_the_service(elsewhere: OffloadDep) -> int:
    return await elsewhere.blocking(compress)


@router.get("/little_json")
async def little_json() -> int:
    return len(json.loads(json.dumps({"id": 1, "tags": ["a", "b"]})))


@router.get("/a_plain_regular_expression")
async def a_plain_regular_expression(name: str = "order-17") -> bool:
    return bool(re.fullmatch(r"[a-z]+-\d+", name))


@router.get("/a_checksum_of_little")
async def a_checksum_of_little() -> str:
    return hashlib.sha256(b"a short text").hexdigest()


class Named(BaseModel):
    name: str

    @field_validator("name")
    @classmethod
    def plain(cls, name: str) -> str:
        return name.strip().lower()


@router.post("/a_quick_validator")
async def a_quick_validator(named: Named) -> str:
    return named.name


@router.get("/a_long_loop_in_small_pieces")
async def a_long_loop_in_small_pieces() -> int:
    total = 0
    for start in range(20):
        total += price(20_000 + start)
        await asyncio.sleep(0)
    return total


@router.get("/a_short_sort")
async def a_short_sort() -> list[int]:
    return sorted(range(1000), key=lambda number: -number)
