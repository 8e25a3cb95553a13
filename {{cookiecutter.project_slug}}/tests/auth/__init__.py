"""Tests of `app/auth/`."""
