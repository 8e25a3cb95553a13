"""gunicorn's arguments for fault tests that call routes of the example, which may need access tokens."""

from importlib.util import find_spec

SIGNED_IN = ("--pythonpath=tests/smoke,tests/faults", "signed_in_app:app") if find_spec("app.auth") else ()
"""With access tokens, the application in which each request has a principal with all scopes; else the service."""
