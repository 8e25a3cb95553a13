"""Tests of `app/valkey`, and the Valkey server for all tests that need it."""
