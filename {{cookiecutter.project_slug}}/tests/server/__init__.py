"""Tests of the service under real gunicorn with real signals, as in production."""
