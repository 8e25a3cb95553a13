"""The stand-ins for redis-py's command classes."""
