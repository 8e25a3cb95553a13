"""The service with the stream topic `counters` and short times: polls every 0.5 s, and streams that end after 3 s."""

from counters_app import app  # type: ignore[import-not-found] # on the path; `import tests` would clear the settings

from app.streams import delivery, hub

__all__ = ["app"]

delivery.POLL_SECONDS = 0.5
hub.MAX_AGE_SECONDS = 3.0
