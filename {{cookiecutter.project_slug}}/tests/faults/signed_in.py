"""gunicorn's arguments for fault tests of routes that need access tokens if the service has access tokens."""

from importlib.util import find_spec

SIGNED_IN = ("--pythonpath=tests/smoke,tests/faults", "signed_in_app:app") if find_spec("app.auth") else ()
"""gunicorn's arguments: in a service with access tokens, an app in which each request has a principal with all scopes;
otherwise no arguments."""
