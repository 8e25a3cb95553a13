"""Tests of `app/streams/`."""
