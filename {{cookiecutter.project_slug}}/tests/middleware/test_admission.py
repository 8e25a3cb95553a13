"""So many at once, so many waiting, and the rest is refused at once; one family leaves the places of another alone."""

import asyncio

import pytest
from starlette.types import Message, Receive, Scope, Send

from app.families import Families, FamiliesSettings, Family
from app.gate import Gate
from app.middleware.admission import Admission


class TwoFamilies(FamiliesSettings):
    """One that gets stuck and one beside it."""

    stuck: Family = Family()


FAMILIES = Families(TwoFamilies(), {"stuck": ("/stuck", "/stuck/*/deep")})


def gate() -> Gate:
    return Gate(places=2, max_waiting=3, max_wait_seconds=0.05, refusal="too many")


class Server:
    """An application whose requests under /stuck last until they are released."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.reached = 0
        self.gates = {name + end: gate() for name in FAMILIES.by_name for end in ("", ".database")}
        self.app = Admission(self._run, FAMILIES, self.gates)

    async def _run(self, scope: Scope, _receive: Receive, send: Send) -> None:
        self.reached += 1
        if scope["path"].startswith("/stuck"):
            await self.release.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def ask(self, path: str) -> Message:
        """Return how the answer starts."""
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        await self.app({"type": "http", "path": path, "method": "GET", "headers": []}, receive, send)
        return sent[0]


async def test_beyond_the_places_and_the_queue_a_request_is_refused_without_being_looked_at() -> None:
    server = Server()
    asking = [asyncio.create_task(server.ask("/stuck")) for _ in range(10)]

    done, _ = await asyncio.wait(asking, timeout=0.02)

    assert [task.result()["status"] for task in done] == [503] * 5
    assert (b"retry-after", b"1") in next(iter(done)).result()["headers"]
    assert server.reached == 2
    server.release.set()
    assert sorted([(await task)["status"] for task in asking]) == [200] * 5 + [503] * 5


async def test_who_waits_too_long_is_refused() -> None:
    server = Server()
    asking = [asyncio.create_task(server.ask("/stuck/7/deep")) for _ in range(4)]

    done, running = await asyncio.wait(asking, timeout=1)

    assert (len(done), len(running)) == (2, 2)
    assert server.gates["stuck"].waiting == 0
    server.release.set()
    await asyncio.wait(running)
    assert server.gates["stuck"].in_use == 0


@pytest.mark.parametrize("path", ["/elsewhere", "/stuck/7", "/health/live", "/stuck/7/deep/er"])
async def test_a_stuck_family_takes_no_place_of_another_nor_of_the_probes(path: str) -> None:
    server = Server()
    asking = [asyncio.create_task(server.ask("/stuck")) for _ in range(10)]
    await asyncio.sleep(0)

    async with asyncio.timeout(1):
        assert path.startswith("/stuck/") or (await server.ask(path))["status"] == 200

    assert FAMILIES.name_of(path) in {"others", None}
    server.release.set()
    await asyncio.wait(asking)


async def test_a_request_that_fails_gives_its_place_back() -> None:
    async def fail(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise LookupError("a bug")

    server = Server()
    server.app.app = fail
    for _ in range(5):
        with pytest.raises(LookupError):
            await server.ask("/elsewhere")

    assert server.gates["others"].in_use == 0


def test_a_family_without_a_field_in_the_settings_stops_the_start() -> None:
    with pytest.raises(ValueError, match="PATHS names nobody"):
        Families(TwoFamilies(), {"nobody": ("/nobody",)})
