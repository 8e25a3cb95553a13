"""Admission control: each route group has a bulkhead, so that a stuck route group delays no other group."""

import asyncio

import pytest
from starlette.types import Message, Receive, Scope, Send

from app.capacity.bulkheads import AFTER_RESPONSE
from app.limits.bulkhead import Bulkhead
from app.settings.route_groups import RouteGroup, RouteGroups, RouteGroupsSettings
from app.web.admission import Admission
from tests.tasks import until


class TwoGroups(RouteGroupsSettings):
    """Settings with two route groups: `stuck`, whose requests hang, and the default group."""

    stuck: RouteGroup = RouteGroup()


GROUPS = RouteGroups(TwoGroups(), {"stuck": ("/stuck", "/stuck/*/deep")})


def build_bulkhead(queue_timeout_seconds: float) -> Bulkhead:
    return Bulkhead(max_concurrent=2, max_queue=3, queue_timeout_seconds=queue_timeout_seconds, refusal="too many")


class Server:
    """An application behind the admission middleware; requests under /stuck hang until the event `release` is set."""

    def __init__(self, *, queue_timeout_seconds: float = 60) -> None:
        self.release = asyncio.Event()
        self.reached = 0
        self.bulkheads = {name: build_bulkhead(queue_timeout_seconds) for name in (*GROUPS.by_name, AFTER_RESPONSE)}
        self.app = Admission(self._run, GROUPS.of, self.bulkheads, self.bulkheads[AFTER_RESPONSE])

    async def _run(self, scope: Scope, _receive: Receive, send: Send) -> None:
        self.reached += 1
        if scope["path"].startswith("/stuck"):
            await self.release.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def request(self, path: str) -> Message:
        """Send a request through the admission middleware, and return the start message of the response."""
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        await self.app({"type": "http", "path": path, "method": "GET", "headers": []}, receive, send)
        return sent[0]


async def test_a_request_beyond_the_full_queue_is_refused_in_its_first_step() -> None:
    server = Server()
    requests = [asyncio.create_task(server.request("/stuck")) for _ in range(10)]

    await asyncio.sleep(0)  # each request runs up to its first wait; excess requests are refused before this point
    done = [task for task in requests if task.done()]

    assert [task.result()["status"] for task in done] == [503] * 5
    assert (b"retry-after", b"1") in done[0].result()["headers"]
    assert server.reached == 2
    server.release.set()
    assert sorted([(await task)["status"] for task in requests]) == [200] * 5 + [503] * 5


async def test_a_request_that_waits_in_the_queue_for_too_long_is_refused() -> None:
    server = Server(queue_timeout_seconds=0.05)
    requests = [asyncio.create_task(server.request("/stuck/7/deep")) for _ in range(4)]

    await until(lambda: sum(task.done() for task in requests) == 2)

    assert server.bulkheads["stuck"].queued == 0
    server.release.set()
    assert sorted([(await task)["status"] for task in requests]) == [200, 200, 503, 503]
    assert server.bulkheads["stuck"].in_use == 0


@pytest.mark.parametrize("path", ["/elsewhere", "/stuck/7", "/health/live", "/health/nothing", "/stuck/7/deep/er"])
async def test_a_stuck_route_group_delays_neither_other_route_groups_nor_health_probes(path: str) -> None:
    server = Server()
    requests = [asyncio.create_task(server.request("/stuck")) for _ in range(10)]
    await asyncio.sleep(0)

    response = asyncio.create_task(server.request(path))
    await asyncio.sleep(0)

    assert server.reached == 3  # requests that reached the application: two stuck requests, and the request for `path`
    assert GROUPS.name_of(path) == (path if path == "/health/live" else "others")
    server.release.set()
    assert (await response)["status"] == 200
    await asyncio.wait(requests)


def test_a_prefix_of_a_proxy_is_no_part_of_a_claimed_path() -> None:
    assert GROUPS.of({"path": "/stuck", "root_path": ""}) == "stuck"
    assert GROUPS.of({"path": "/api/stuck", "root_path": "/api"}) == "stuck"


async def test_a_failing_request_leaves_the_bulkhead() -> None:
    async def fail(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise LookupError("a bug")

    server = Server()
    server.app.app = fail
    for _ in range(5):
        with pytest.raises(LookupError):
            await server.request("/elsewhere")

    assert server.bulkheads["others"].in_use == 0


async def test_work_after_the_response_holds_no_slot_while_it_is_bounded_itself() -> None:
    """FastAPI's BackgroundTasks have a separate bulkhead: when full, a request keeps the slot of the route group."""
    server = Server()
    release = asyncio.Event()

    async def answer_then_work(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(scope, receive, send)
        await release.wait()

    answer, server.app.app = server.app.app, answer_then_work
    requests = [asyncio.create_task(server.request("/elsewhere")) for _ in range(3)]
    await asyncio.sleep(0)

    assert (server.bulkheads[AFTER_RESPONSE].in_use, server.bulkheads["others"].in_use) == (2, 1)
    release.set()
    await asyncio.wait(requests)
    assert (server.bulkheads[AFTER_RESPONSE].in_use, server.bulkheads["others"].in_use) == (0, 0)


def test_a_route_group_without_a_field_in_the_settings_stops_the_start() -> None:
    with pytest.raises(ValueError, match="PATHS names missing"):
        RouteGroups(TwoGroups(), {"missing": ("/missing",)})
