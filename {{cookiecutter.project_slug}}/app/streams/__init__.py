"""Streams: SSE and WebSocket connections, which are told of changes after the commit."""
