"""A stand-in for redis-py: the names that the corpus uses, defined in the same modules as in redis-py."""

from redis.client import Redis as Redis
