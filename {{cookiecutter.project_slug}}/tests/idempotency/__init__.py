"""Tests of `app/idempotency`: a write that a client repeats under the same Idempotency-Key happens once."""
