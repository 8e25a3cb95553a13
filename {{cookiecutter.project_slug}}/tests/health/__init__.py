"""Tests of `app/health`: the liveness and readiness probes."""
