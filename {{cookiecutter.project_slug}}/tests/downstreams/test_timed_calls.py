"""The downstream time of a request includes pauses between attempts, and counts a call that fills the cache once."""

import asyncio

from app.downstreams.client import httpx
from app.request.detached import detached
from app.request.timings import Timings, add_wait, downstream_time, timings
from tests.downstreams.scripted_downstream import ScriptedResponses, build_downstream

SECONDS = 0.1


def begun() -> Timings:
    """Start the timings of a request in the context variables of the test; a fixture's context could be different."""
    own = Timings()
    timings.set(own)
    return own


async def test_a_call_counts_with_its_attempts_pauses_and_queue() -> None:
    own = begun()
    downstream = build_downstream(ScriptedResponses(503, 200), retry_first_backoff_seconds=SECONDS)
    downstream.timed, downstream.bulkhead.observe_wait = downstream_time, add_wait
    began = asyncio.get_running_loop().time()
    await downstream.get_json("things")
    seconds = asyncio.get_running_loop().time() - began

    assert (own.downstreams > 0, own.downstreams <= seconds, own.waiting) == (True, True, 0)
    assert timings.get() is own


async def test_callers_of_one_load_count_their_wait_and_the_load_adds_nothing() -> None:
    own = begun()

    async def answer(_request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(SECONDS)
        return httpx.Response(200, json=1)

    downstream = build_downstream(answer, cache_seconds=60.0)
    downstream.timed, downstream.cache.context_of_load = downstream_time, detached
    began = asyncio.get_running_loop().time()
    await downstream.get_json("things")
    seconds = asyncio.get_running_loop().time() - began

    assert SECONDS / 2 <= own.downstreams <= seconds
