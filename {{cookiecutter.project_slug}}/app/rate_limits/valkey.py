"""The store of rate limits in Valkey or Redis: a script counts requests atomically, by the clock of the server."""

from typing import Any

from app.rate_limits.gcra import Count, Policy
from app.valkey.client import ERRORS, Redis

# The script does the same arithmetic as `gcra.count`; a key expires when the client has the whole quota again.
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
    """Counts requests in Valkey or Redis; the Redis client repeats no command, so that no request counts twice."""

    errors = ERRORS

    def __init__(self, client: Redis, prefix: str) -> None:
        """Create a store of rate limits whose keys begin with a prefix, as several services may share a server."""
        commands: Any = client  # in redis-py's types, each command may be async or blocking
        self._script = commands.register_script(SCRIPT)
        self._prefix = prefix

    async def take(self, key: str, policy: Policy, hits: int) -> Count:
        """Count requests (hits) of a client by a rate limit, with one script in Valkey or Redis."""
        values = policy.interval, policy.quota, hits
        allowed, ahead = await self._script(keys=[f"{self._prefix}:rate:{key}"], args=values)
        return Count(allowed, ahead)
