"""Streams: SSE and WebSocket connections that send clients each change of objects, such as jobs, after the commit."""
