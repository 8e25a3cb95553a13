"""Streams: SSE and WebSocket connections, through which clients are told of changes after each commit."""
