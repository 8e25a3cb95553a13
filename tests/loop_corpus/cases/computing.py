"""Cases that block by computing: the event loop is busy instead of waiting."""

import bz2
import copy
import difflib
import gzip
import hashlib
import io
import json
import lzma
import math
import pickle
import random
import re
import time
from xml.etree import ElementTree

import numpy
import orjson
from fastapi import APIRouter
from PIL import Image
from pydantic import BaseModel

router = APIRouter()

NOISE = random.Random(1).randbytes(12_000_000)
ROWS = [{"id": number, "name": f"product {number}", "tags": ["a", "b"]} for number in range(200_000)]
TEXT = json.dumps(ROWS)


@router.get("/a_password_hash")
async def a_password_hash() -> str:
    return hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 2_000_000).hex()


class Vault:
    def key(self, password: bytes) -> bytes:
        return hashlib.scrypt(password, salt=b"salt", n=2**16, r=8, p=1, maxmem=2**27)


@router.get("/a_derived_key")
async def a_derived_key() -> str:
    return Vault().key(b"password").hex()


@router.get("/a_checksum")
async def a_checksum() -> str:
    digest = hashlib.blake2b()
    for _ in range(60):
        digest.update(NOISE)
    return digest.hexdigest()


@router.get("/json_read")
async def json_read() -> int:
    return len(json.loads(TEXT))


@router.get("/json_written")
async def json_written() -> int:
    return len(json.dumps(ROWS, indent=1))


@router.get("/fast_json_of_much")
async def fast_json_of_much() -> int:
    return sum(len(orjson.dumps(ROWS, option=orjson.OPT_SORT_KEYS)) for _ in range(50))


class Product(BaseModel):
    id: int
    name: str
    tags: list[str]


@router.get("/a_long_answer")
async def a_long_answer() -> list[Product]:
    return [Product(**row) for row in ROWS]


@router.get("/an_image_made_small")
async def an_image_made_small() -> int:
    picture = Image.effect_noise((2000, 1500), 60).convert("RGB")
    small, output = picture.resize((1000, 750), Image.Resampling.LANCZOS), io.BytesIO()
    small.save(output, "PNG")
    return len(output.getvalue())


@router.get("/gzip_in_memory")
async def gzip_in_memory() -> int:
    return len(gzip.compress(NOISE + NOISE, 9))


@router.get("/bzip2_in_memory")
async def bzip2_in_memory() -> int:
    return len(bz2.compress(NOISE[:2_500_000]))


@router.get("/xz_in_memory")
async def xz_in_memory() -> int:
    return len(lzma.compress(NOISE[:1_500_000]))


def price(units: int) -> int:
    total = 0
    for number in range(units):
        total += number % 7
    return total


@router.get("/a_loop_in_a_called_function")
async def a_loop_in_a_called_function() -> int:
    return price(12_000_000)


def routes_through(stops: int) -> int:
    return stops if stops < 2 else routes_through(stops - 1) + routes_through(stops - 2)


@router.get("/a_recursion")
async def a_recursion() -> int:
    return routes_through(33)


@router.get("/busy_waiting")
async def busy_waiting() -> None:
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        pass


@router.get("/a_regular_expression_that_backtracks")
async def a_regular_expression_that_backtracks() -> bool:
    return bool(re.match(r"(a|aa)+$", "a" * 35 + "!"))


@router.get("/a_long_sort")
async def a_long_sort() -> int:
    chance = random.Random(1)
    return sorted((chance.random() for _ in range(900_000)), key=lambda number: -number)[0] > 0


@router.get("/a_deep_copy")
async def a_deep_copy() -> int:
    return len(copy.deepcopy(ROWS[:75_000]))


@router.get("/a_comparison_of_texts")
async def a_comparison_of_texts() -> float:
    chance = random.Random(1)
    one, other = ("".join(chance.choices("ab", k=2200)) for _ in range(2))
    return difflib.SequenceMatcher(None, one, other, autojunk=False).ratio()


@router.get("/xml_read")
async def xml_read() -> int:
    return len(ElementTree.fromstring("<a>" + "<b c='d'>e</b>" * 260_000 + "</a>"))


@router.get("/objects_unpickled")
async def objects_unpickled() -> int:
    return sum(len(pickle.loads(pickle.dumps(ROWS))) for _ in range(2))


@router.get("/a_matrix")
async def a_matrix() -> float:
    matrix = numpy.random.default_rng(1).random((1400, 1400))
    return float((matrix @ matrix @ matrix).sum())


@router.get("/large_numbers")
async def large_numbers() -> int:
    return math.factorial(150_000) % 10


async def one(number: int) -> int:
    return number & 1


@router.get("/a_loop_that_awaits_nothing_that_waits")
async def a_loop_that_awaits_nothing_that_waits() -> int:
    return sum([await one(number) for number in range(3_000_000)])
