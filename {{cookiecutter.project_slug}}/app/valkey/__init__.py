"""The client of Valkey or Redis, for limits and caches that all replicas share; open only when REDIS_URL is set."""
