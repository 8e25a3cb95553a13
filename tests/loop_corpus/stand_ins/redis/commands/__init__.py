"""The stand-ins for redis-py's commands."""
