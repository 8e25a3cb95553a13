"""Tests of `app/streams`: server-sent events and a WebSocket tell clients of changed objects."""
