"""The delivery of changes to streams: reads changed objects, and queues the new states for the clients.

A notification of PostgreSQL only names a changed object. Each changed object is read once for all streams of the
process, and no database connection is held between the reads. Every few seconds a poll also finds changes without a
notification: notifications are lost while the LISTEN connection is down, and behind a PgBouncer that no setting
mentions.
"""

import asyncio
from collections.abc import Sequence

import structlog
from sqlalchemy.exc import DBAPIError

from app.errors import ServiceError
from app.streams.hub import LAST, Hub
from app.streams.source import MAX_ROWS, Change
from app.streams.subscription import MAX_WAITING

POLL_SECONDS = 5.0
"""The interval, in seconds, of the polls that find changes whose notification was lost."""

RETRY_SECONDS = 1.0
"""The pause, in seconds, after a failed read of changed objects."""

PORTION = MAX_WAITING // 2
"""The most changes that are added to a client's queue at once: half of the queue, so that a burst of changes does not
overflow the queue of a client that keeps reading."""

PAUSE_SECONDS = 0.25
"""How long, in seconds, clients may take to read waiting events before the next portion of changes is queued."""

log = structlog.get_logger("streams")


async def deliver(hub: Hub) -> None:
    """Read changed objects, and queue the new states for the clients that follow the objects, until cancelled."""
    loop, next_poll, is_behind = asyncio.get_running_loop(), 0.0, False
    while True:
        try:
            if loop.time() >= next_poll:
                next_poll = loop.time() + POLL_SECONDS
                await poll(hub)
            if is_behind:
                hub.resync()
                is_behind = False
            await deliver_changed(hub)
            async with asyncio.timeout_at(next_poll):
                await hub.woken.wait()
        except TimeoutError:
            pass  # `timeout_at` ends the wait, as the next poll is due; or a read took too long
        except (ServiceError, DBAPIError) as error:
            log.warning("read of changed objects for streams failed", cause=type(error).__name__)
            next_poll, is_behind = 0.0, True
            await asyncio.sleep(RETRY_SECONDS)


async def deliver_changed(hub: Hub) -> None:
    """Read the objects that a notification or a poll has named, and queue the new states for the clients."""
    changed, hub.changed = hub.changed, set()
    hub.woken.clear()
    by_name: dict[str, list[str]] = {}
    for topic in changed:
        name, _, wanted = topic.partition(":")
        by_name.setdefault(name, []).append(wanted)
    for name in by_name.keys() & hub.sources.keys():
        ids = by_name[name]
        for start in range(0, len(ids), PORTION):
            await offer(hub, await hub.states(name, ids[start : start + PORTION]))


async def poll(hub: Hub) -> None:
    """Find changes whose notification was lost.

    Each object that a client follows by id is read again. For clients that follow all objects of an owner, the objects
    whose sequence number is above that of an earlier poll are read.
    """
    if not hub.sources:
        return
    after = hub.numbers[-1] if hub.numbers else None
    hub.numbers.append(await hub.reader.scalar(LAST))
    hub.changed |= {topic for one in hub.subscriptions for topic in one.topics}
    owners = {one.owner for one in hub.subscriptions if one.is_for_all}
    if after is None or not owners:
        return
    for name, source in hub.sources.items():
        rows = await source.changed(hub.reader, owners, after=after, limit=MAX_ROWS)
        if len(rows) >= MAX_ROWS:
            hub.resync()
            continue
        for start in range(0, len(rows), PORTION):
            await offer(hub, [Change.of(name, row) for row in rows[start : start + PORTION]])


async def offer(hub: Hub, changes: Sequence[Change]) -> None:
    """Queue a portion of changes for the clients, after giving slow clients time to read the waiting events."""
    loop = asyncio.get_running_loop()
    patience = loop.time() + PAUSE_SECONDS
    while busy := [one for one in hub.subscriptions if one.is_half_full and not one.is_stuck]:
        if loop.time() >= patience:
            for subscription in busy:
                subscription.is_stuck = True
        await asyncio.sleep(0.005)
    for change in changes:
        for subscription in hub.subscriptions:
            if subscription.wants(change):
                subscription.offer(change)
