"""The production server: the gunicorn worker, the HTTP protocol and the graceful shutdown."""
