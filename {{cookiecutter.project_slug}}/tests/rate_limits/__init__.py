"""Tests of `app/rate_limits`: a limit is exact over all processes, and holds without the shared store."""
