"""A pooler between service and PostgreSQL silently drops each connection's settings: the service refuses to start."""

import asyncio
import struct
import sys

import pytest

from tests.database.test_pool import Relay
from tests.pgbouncer.bouncer import set_role_limits
from tests.server.processes import gunicorn
from tests.tasks import until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="gunicorn does not run on Windows")

KEPT = (b"user", b"database", b"client_encoding", b"application_name")
"""The connection parameters that the pooler of this test passes on to PostgreSQL. The pooler drops the rest, as
PgBouncer drops the parameters that `ignore_startup_parameters` names."""

SENTENCE = (
    "The service cannot start: A pooler in between, such as PgBouncer with ignore_startup_parameters, drops the "
    "{}lock_timeout, statement_timeout, idle_in_transaction_session_timeout of each connection: set "
    "DATABASE_PGBOUNCER_CONNECTIONS"
)


class DroppingRelay(Relay):
    """A TCP relay that drops most parameters from the start-up message of a PostgreSQL connection, as a pooler may."""

    async def _pump(self, number: int, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        head = await source.read(8)
        if len(head) == 8 and struct.unpack("!ii", head)[1] == 3 << 16:  # version 3.0 marks a start-up message
            words = (await source.readexactly(struct.unpack("!ii", head)[0] - 8)).split(b"\0")
            pairs = [(name, value) for name, value in zip(words[::2], words[1::2], strict=False) if name in KEPT]
            body = b"".join(name + b"\0" + value + b"\0" for name, value in pairs) + b"\0"
            head = struct.pack("!ii", 8 + len(body), 3 << 16) + body
        target.write(head)
        await super()._pump(number, source, target)


@pytest.mark.parametrize("role_keeps", [False, True], ids=["no settings", "settings of the role"])
async def test_a_start_behind_an_undeclared_pooler_is_refused(committed_url: str, *, role_keeps: bool) -> None:
    """A start behind a pooler that drops settings is refused, even if the database role has the timeouts.

    A role may have timeouts from a time with a declared PgBouncer, but the pooler still loses prepared statements.
    Without the role's timeouts, the service also leaves out its read-only default, which other clients of the pooler
    would get.
    """
    if role_keeps:
        await set_role_limits(committed_url)
    relay = DroppingRelay(committed_url)
    async with relay.listening() as url:
        with gunicorn(f"{url}?sslmode=disable", WEB_CONCURRENCY="1") as service:
            await until(lambda: service.process.poll() is not None or bool(service.lines("application started")))
            code = service.process.poll()
            errors = service.errors()

    assert code == 3
    assert errors[0].startswith(SENTENCE.format("" if role_keeps else "default_transaction_read_only, "))
