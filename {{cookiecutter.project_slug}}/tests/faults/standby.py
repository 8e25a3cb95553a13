"""Runs a primary PostgreSQL server with a streaming standby, for tests in which the database's address moves."""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import asyncpg

from devtools.binaries import settle
from devtools.cluster import Cluster


class Standby(Cluster):
    """A PostgreSQL server that replicates a primary, serves reads, and may be promoted to a primary."""

    def promote(self) -> None:
        """Promote the standby, and wait until it accepts writes."""
        assert self._control("promote", "-w") == 0


async def until_replayed(primary: Cluster, standby: Cluster) -> None:
    """Wait until the standby has replayed all changes of the primary so far."""
    source, replica = await asyncpg.connect(primary.url()), await asyncpg.connect(standby.url())
    written = await source.fetchval("SELECT pg_current_wal_flush_lsn()::text")
    async with asyncio.timeout(30):
        while not await replica.fetchval("SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn", written):  # noqa: ASYNC110 - polls: PostgreSQL sets no asyncio.Event
            await asyncio.sleep(0.01)
    await source.close()
    await replica.close()


@contextmanager
def replicated() -> Iterator[tuple[Cluster, Standby]]:
    """Start a PostgreSQL server with a hot standby that streams from it; yield the primary and the standby."""
    with ExitStack() as stack:
        parent = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        primary = Cluster(*settle(parent / "primary"), durable=True)
        primary.start()
        stack.callback(primary.stop)
        standby = Standby(primary.folder.with_name("standby"), primary.programs, durable=True)
        standby.folder.mkdir()
        standby.programs.own(standby.folder)
        (standby.folder / "password").write_text((primary.folder / "password").read_text())
        options = ("-D", str(standby.data), "-d", primary.url(), "--write-recovery-conf", "--checkpoint=fast")
        assert not standby.programs.run("pg_basebackup", *options, log=standby.folder / "commands.log")
        standby.start()
        stack.callback(standby.stop)
        yield primary, standby
