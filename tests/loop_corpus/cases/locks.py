"""Cases that block on synchronisation of threads: locks, events, queues, futures, joins."""

import asyncio
import concurrent.futures
import contextlib
import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from fastapi import APIRouter

router = APIRouter()

SECONDS = 0.2


def held_for_a_while(lock: threading.Lock) -> None:
    lock.acquire()
    threading.Timer(2 * SECONDS, lock.release).start()


@router.get("/a_lock_acquired")
async def a_lock_acquired() -> None:
    lock = threading.Lock()
    held_for_a_while(lock)
    lock.acquire()


class Counter:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.value = 0

    def increment(self) -> int:
        with self.lock:
            self.value += 1
            return self.value


@router.get("/a_with_on_a_lock")
async def a_with_on_a_lock() -> int:
    counter = Counter()
    held_for_a_while(counter.lock)
    return counter.increment()


@router.get("/an_event")
async def an_event() -> bool:
    return threading.Event().wait(SECONDS)


@router.get("/a_condition")
async def a_condition() -> bool:
    condition = threading.Condition()
    with condition:
        return condition.wait(SECONDS)


@router.get("/a_semaphore")
async def a_semaphore() -> bool:
    return threading.Semaphore(0).acquire(timeout=SECONDS)


@router.get("/a_barrier")
async def a_barrier() -> None:
    with contextlib.suppress(threading.BrokenBarrierError):
        threading.Barrier(2).wait(SECONDS)


@router.get("/a_queue_that_is_empty")
async def a_queue_that_is_empty() -> None:
    jobs: queue.Queue[int] = queue.Queue()
    with contextlib.suppress(queue.Empty):
        jobs.get(timeout=SECONDS)


@router.get("/a_queue_that_is_full")
async def a_queue_that_is_full() -> None:
    jobs: queue.Queue[int] = queue.Queue(1)
    with contextlib.suppress(queue.Full):
        jobs.put(1)
        jobs.put(2, timeout=SECONDS)


@router.get("/a_simple_queue")
async def a_simple_queue() -> None:
    jobs: queue.SimpleQueue[int] = queue.SimpleQueue()
    with contextlib.suppress(queue.Empty):
        jobs.get(timeout=2 * SECONDS)


threads = ThreadPoolExecutor(2)


@router.get("/the_result_of_a_future")
async def the_result_of_a_future() -> None:
    threads.submit(time.sleep, SECONDS).result()


@router.get("/the_end_of_an_executor")
async def the_end_of_an_executor() -> None:
    with ThreadPoolExecutor(1) as executor:
        executor.submit(time.sleep, SECONDS)


@router.get("/futures_as_they_complete")
async def futures_as_they_complete() -> int:
    calls = [threads.submit(time.sleep, SECONDS)]
    return len(list(concurrent.futures.as_completed(calls)))


@router.get("/a_thread_joined")
async def a_thread_joined() -> None:
    worker = threading.Thread(target=time.sleep, args=(SECONDS,))
    worker.start()
    worker.join()


@router.get("/the_loop_asked_from_itself")
async def the_loop_asked_from_itself() -> None:
    call = asyncio.run_coroutine_threadsafe(asyncio.sleep(0), asyncio.get_running_loop())
    with contextlib.suppress(concurrent.futures.TimeoutError):
        call.result(SECONDS)
