"""Tests of `app/jobs`: jobs are stored with the write to which they belong, and run by workers until they end."""
