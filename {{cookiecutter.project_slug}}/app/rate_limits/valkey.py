"""The store of rate limits in Valkey or Redis: one script counts in one step, by the clock of the server."""

from typing import Any

from app.rate_limits.gcra import Count, Policy
from app.valkey.client import ERRORS, Redis

# The same arithmetic as in `gcra.count`; a key expires when it has its whole quota again.
SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, quota, hits = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local burst = interval * quota
local ahead = math.max(0, math.min(tonumber(redis.call('GET', KEYS[1]) or now) - now, burst))
local allowed = math.min(hits, math.floor((burst - ahead) / interval))
ahead = ahead + allowed * interval
if allowed > 0 then redis.call('SET', KEYS[1], string.format('%.0f', now + ahead), 'PX', math.ceil(ahead / 1000)) end
return {allowed, ahead}
"""


class ValkeyStore:
    """Counts hits in Valkey or Redis; the client sends each command once, so that no hit counts twice."""

    errors = ERRORS

    def __init__(self, client: Redis, prefix: str) -> None:
        """Create a store whose keys begin with a prefix, as services may share a server."""
        commands: Any = client  # redis-py types these as async or blocking
        self._script = commands.register_script(SCRIPT)
        self._prefix = prefix

    async def take(self, key: str, policy: Policy, hits: int) -> Count:
        """Count hits of a key."""
        values = policy.interval, policy.quota, hits
        allowed, ahead = await self._script(keys=[f"{self._prefix}:rate:{key}"], args=values)
        return Count(allowed, ahead)
