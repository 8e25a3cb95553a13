"""The application that `make run` serves while this folder exists: the service, wrapped by the developer's console."""

from app.settings.load import load_settings
from devtools.console.console import Console

settings = load_settings()
if not settings.development:
    raise SystemExit("The console is for development only: serve app.main:app, or set ENVIRONMENT=development.")

from app.main import app as service  # noqa: E402 - this import builds the service, so the environment is checked first

app = Console(service, settings)
