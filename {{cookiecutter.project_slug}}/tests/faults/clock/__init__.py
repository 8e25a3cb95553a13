"""The service in a process whose wall clock jumps: gunicorn runs `clock_app:app` with this folder on PYTHONPATH."""
