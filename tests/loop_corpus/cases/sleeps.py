"""Cases that block by a sleep in a place other than the route itself."""

import contextlib
import functools
import operator
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from time import sleep as pause
from typing import Protocol

from fastapi import APIRouter

router = APIRouter()

SECONDS = 0.2


@router.get("/in_the_route")
async def in_the_route() -> None:
    time.sleep(SECONDS)


@router.get("/under_another_name")
async def under_another_name() -> None:
    pause(2 * SECONDS)


def outer_function() -> None:
    inner_function()


def inner_function() -> None:
    time.sleep(SECONDS)


@router.get("/two_functions_away")
async def two_functions_away() -> None:
    outer_function()


class Report:
    @property
    def total(self) -> int:
        time.sleep(SECONDS)
        return 1


@router.get("/in_a_property")
async def in_a_property() -> int:
    return Report().total


class Lazy:
    @functools.cached_property
    def value(self) -> int:
        time.sleep(SECONDS)
        return 1


@router.get("/in_a_cached_property")
async def in_a_cached_property() -> int:
    return Lazy().value


def throttled(route: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    @functools.wraps(route)
    async def wrapper() -> None:
        time.sleep(SECONDS)
        await route()

    return wrapper


@router.get("/in_a_decorator")
@throttled
async def in_a_decorator() -> None:
    return None


@contextlib.contextmanager
def turnstile() -> Iterator[None]:
    time.sleep(SECONDS)
    yield


@router.get("/in_a_context_manager")
async def in_a_context_manager() -> None:
    with turnstile():
        pass


class Transaction:
    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, *_error: object) -> None:
        time.sleep(SECONDS)


@router.get("/at_the_end_of_an_async_with")
async def at_the_end_of_an_async_with() -> None:
    async with Transaction():
        pass


class Store(Protocol):
    def load(self) -> int: ...


class SlowStore:
    def load(self) -> int:
        time.sleep(SECONDS)
        return 1


def open_store() -> Store:
    return SlowStore()


@router.get("/behind_a_protocol")
async def behind_a_protocol() -> int:
    return open_store().load()


def slow_step() -> None:
    time.sleep(SECONDS)


STEPS: dict[str, Callable[[], None]] = {"slow": slow_step}


@router.get("/in_a_table_of_functions")
async def in_a_table_of_functions(name: str = "slow") -> None:
    STEPS[name]()


@router.get("/looked_up_by_its_name")
async def looked_up_by_its_name(name: str = "sleep") -> None:
    getattr(time, name)(SECONDS)


wait_a_moment = functools.partial(time.sleep, 2 * SECONDS)


@router.get("/in_a_partial")
async def in_a_partial() -> None:
    wait_a_moment()


class Money:
    def __add__(self, other: "Money") -> "Money":
        time.sleep(SECONDS)
        return other


@router.get("/in_an_operator")
async def in_an_operator() -> None:
    operator.add(Money(), Money())
    _total = Money() + Money()


def slow_key(number: int) -> int:
    time.sleep(SECONDS / 2)
    return -number


@router.get("/in_the_key_of_a_sort")
async def in_the_key_of_a_sort() -> list[int]:
    return sorted([1, 2], key=slow_key)


def slow_rows() -> Iterator[int]:
    for number in range(2):
        time.sleep(SECONDS / 2)
        yield number


@router.get("/in_a_generator")
async def in_a_generator() -> list[int]:
    return list(slow_rows())


async def slow_pages() -> AsyncIterator[int]:
    time.sleep(SECONDS)
    yield 1


@router.get("/in_an_async_generator")
async def in_an_async_generator() -> list[int]:
    return [page async for page in slow_pages()]
