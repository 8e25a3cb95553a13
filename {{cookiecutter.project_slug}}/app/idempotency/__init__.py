"""Idempotency keys: a write that a client requests repeatedly happens once."""
