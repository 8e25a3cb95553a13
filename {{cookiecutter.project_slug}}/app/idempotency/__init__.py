"""Idempotency keys: a write happens only once, even if the client repeats the request."""
