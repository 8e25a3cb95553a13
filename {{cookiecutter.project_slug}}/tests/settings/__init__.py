"""Tests of the settings, which the service reads from environment variables."""
