"""Observability: the log format, the log writer, and the monitor of the event loop."""
