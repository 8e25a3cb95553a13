"""The Valkey client sends each command once, never mixes up replies, and needs no server without REDIS_URL."""

import asyncio
import random
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import pytest
from pydantic import SecretStr
from redis.exceptions import RedisError

from app.valkey.client import MAX_CONNECTIONS, open_client
from tests.valkey.server import Valkey, losing_replies, needs_valkey, valkey_server

STORM, KEYS = 2500, 100


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    """A Valkey server with a hundred keys."""
    with valkey_server() as server:
        for number in range(KEYS):
            server.send(f"SET key:{number} value:{number}")
        yield server


@pytest.fixture
async def client(valkey: Valkey) -> AsyncGenerator[Any]:
    """The service's client of the Valkey server."""
    async with open_client(valkey.url) as client:
        yield client


@needs_valkey
async def test_a_storm_of_cancelled_commands_mixes_up_no_replies(client: Any) -> None:  # noqa: ANN401 - `client` is a redis-py client
    moments = random.Random(7)  # noqa: S311 - a fixed seed, so that each run has the same moments
    wrong, answered, cancelled = [], 0, 0

    async def get(number: int) -> None:
        nonlocal answered, cancelled
        try:
            async with asyncio.timeout(moments.uniform(0, 0.01)):
                found = await client.get(f"key:{number % KEYS}")
        except TimeoutError:
            cancelled += 1
        else:
            answered += 1
            if found != b"value:%d" % (number % KEYS):
                wrong.append(found)

    for begin in range(0, STORM, 2 * MAX_CONNECTIONS):
        await asyncio.gather(*(get(number) for number in range(begin, min(begin + 2 * MAX_CONNECTIONS, STORM))))
    after = [await client.get(f"key:{number}") for number in range(KEYS)]

    assert wrong == []
    assert answered + cancelled == STORM
    assert cancelled > STORM // 100
    assert after == [b"value:%d" % number for number in range(KEYS)]


@needs_valkey
async def test_a_command_whose_reply_is_lost_is_an_error_and_is_not_repeated(valkey: Valkey) -> None:
    async with losing_replies(valkey, b"INCR") as url, open_client(SecretStr(url)) as client:
        assert client
        with pytest.raises(RedisError):
            await client.incr("counter")

        assert await client.get("counter") == b"1"


@needs_valkey
async def test_connections_that_the_server_has_closed_are_replaced_before_they_are_used(
    valkey: Valkey,
    client: Any,  # noqa: ANN401 - `client` is a redis-py client
) -> None:
    await asyncio.gather(*(client.get("key:1") for _ in range(MAX_CONNECTIONS)))
    valkey.send("CLIENT KILL TYPE normal SKIPME yes")
    await asyncio.sleep(0.1)

    assert [await client.get("key:1") for _ in range(2 * MAX_CONNECTIONS)] == [b"value:1"] * (2 * MAX_CONNECTIONS)


async def test_without_a_url_there_is_no_client() -> None:
    async with open_client(None) as client:
        assert client is None


async def test_a_server_that_is_away_does_not_stop_the_start() -> None:
    async with open_client(SecretStr("redis://127.0.0.1:1")) as client:
        assert client
        with pytest.raises(RedisError):
            await client.get("key:1")
