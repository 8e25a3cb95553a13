"""Tests of `app/downstreams`: calls to other services with timeouts, retries, circuit breakers and caches."""
