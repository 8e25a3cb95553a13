"""A stand-in for redis-py: the names that the corpus uses, defined in the same modules."""

from redis.client import Redis as Redis
