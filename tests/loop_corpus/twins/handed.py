"""Correct twins that give blocking work to a thread in unusual ways, and calls that only look like blocking calls."""

import asyncio
import functools
import io
import logging
import logging.handlers
import pathlib
import queue
import tempfile
import threading
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

import anyio.to_thread
from fastapi import APIRouter
from fastapi.responses import FileResponse, StreamingResponse
from PIL import Image

router = APIRouter()

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

FILE = pathlib.Path(tempfile.mkdtemp(prefix="loop-corpus-")) / "log"
FILE.write_bytes(b"a line of a log\n" * 100_000)


def read(path: pathlib.Path, *, limit: int) -> int:
    return len(path.read_bytes()[:limit])


@router.get("/a_partial_in_a_thread")
async def a_partial_in_a_thread() -> int:
    return await asyncio.to_thread(functools.partial(read, FILE, limit=100))


@router.get("/a_lambda_in_a_thread")
async def a_lambda_in_a_thread() -> int:
    return await anyio.to_thread.run_sync(lambda: read(FILE, limit=100))


def in_a_thread(function: Callable[Parameters, Result]) -> Callable[Parameters, Awaitable[Result]]:
    @functools.wraps(function)
    async def wrapper(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        return await asyncio.to_thread(function, *args, **kwargs)

    return wrapper


@in_a_thread
def count_lines(path: pathlib.Path) -> int:
    with path.open() as file:
        return sum(1 for _ in file)


@router.get("/a_decorator_that_hands_off")
async def a_decorator_that_hands_off() -> int:
    return await count_lines(FILE)


def blocks(path: pathlib.Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(65536):
            yield block


@router.get("/a_body_streamed_from_a_generator_without_async")
async def a_body_streamed_from_a_generator_without_async() -> StreamingResponse:
    return StreamingResponse(blocks(FILE))


@router.get("/a_file_as_the_answer")
async def a_file_as_the_answer() -> FileResponse:
    return FileResponse(FILE, media_type="text/plain")  # without it, the first response reads the system's MIME tables


threads = ThreadPoolExecutor(1)


@router.get("/a_future_of_a_thread_awaited")
async def a_future_of_a_thread_awaited() -> int:
    return await asyncio.wrap_future(threads.submit(read, FILE, limit=100))


class Counter:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.value = 0

    def increment(self) -> int:
        with self.lock:
            self.value += 1
            return self.value


@router.get("/a_lock_inside_a_thread")
async def a_lock_inside_a_thread() -> int:
    return await asyncio.to_thread(Counter().increment)


def thumbnail(picture: Image.Image) -> int:
    output = io.BytesIO()
    picture.resize((60, 40)).save(output, "PNG")
    return len(output.getvalue())


@router.get("/an_image_in_a_thread")
async def an_image_in_a_thread() -> int:
    return await asyncio.to_thread(lambda: thumbnail(Image.new("RGB", (600, 400))))


records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
queued_log = logging.getLogger("loop_corpus.queued")
queued_log.addHandler(logging.handlers.QueueHandler(records))
queued_log.propagate = False


@router.get("/a_log_record_put_into_a_queue")
async def a_log_record_put_into_a_queue() -> None:
    queued_log.warning("an order came")


jobs: queue.Queue[int] = queue.Queue()


@router.get("/a_job_put_without_waiting")
async def a_job_put_without_waiting() -> None:
    jobs.put_nowait(1)


@router.get("/a_cursor_packed")
async def a_cursor_packed() -> str:
    return zlib.compress(b"created_at=2024-01-01,id=17").hex()


class Clock:
    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def pages(self) -> AsyncIterator[int]:
        await self.sleep(0.05)
        yield 1


@router.get("/a_method_called_sleep")
async def a_method_called_sleep() -> list[int]:
    return [page async for page in Clock().pages()]
