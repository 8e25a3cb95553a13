"""The service with the stream topic `counters`, and a send timeout of 1 s for clients that read nothing."""

from counters_app import app  # type: ignore[import-not-found] # on the path; `import tests` would clear the settings

from app.streams import sse

__all__ = ["app"]

sse.SEND_SECONDS = 1.0
