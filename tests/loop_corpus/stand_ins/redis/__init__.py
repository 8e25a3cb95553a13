"""Stands for redis-py: the names and the places of definitions that the corpus uses."""

from redis.client import Redis as Redis
