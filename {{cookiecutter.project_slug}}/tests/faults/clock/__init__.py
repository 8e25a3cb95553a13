"""A process whose wall clock jumps: this folder in PYTHONPATH, and `jumping:app` for gunicorn."""
