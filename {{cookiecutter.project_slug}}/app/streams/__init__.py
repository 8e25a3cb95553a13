"""Streams: SSE and WebSocket connections, which send changes to clients after each commit."""
