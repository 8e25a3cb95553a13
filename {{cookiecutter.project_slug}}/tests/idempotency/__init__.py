"""Tests of `app/idempotency`: a write that a client repeats with the same Idempotency-Key happens once."""
