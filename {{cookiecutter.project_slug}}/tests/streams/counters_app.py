"""The service with the stream topic `counters`; tests run the app under gunicorn."""

from counters import add_counters  # type: ignore[import-not-found] # on the path; `import tests` would clear the settings

from app.main import create_app
from app.settings.load import load_settings

app = create_app(load_settings())
add_counters(app)
