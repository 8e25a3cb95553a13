"""Observability: logs, the monitor of the event loop, metrics with their exporter, and traces."""
