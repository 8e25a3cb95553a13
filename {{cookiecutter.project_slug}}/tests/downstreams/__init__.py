"""Tests of the calls to other services."""
