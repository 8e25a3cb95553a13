"""Tests of what runs the app in production: real gunicorn, real signals."""
