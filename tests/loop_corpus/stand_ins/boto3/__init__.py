"""A stand-in for boto3: its clients are made from names, so no static analysis can follow their methods."""

from typing import Any
from urllib.parse import urlsplit

from _wire import ask


class _Made:
    def __init__(self, endpoint_url: str) -> None:
        self._url = endpoint_url

    def __getattr__(self, name: str) -> Any:
        parts = urlsplit(self._url)

        def call(*_arguments: Any, **_options: Any) -> Any:
            return ask(parts.hostname or "", parts.port or 80) if name.islower() else self

        return call


def client(_service: str, *, endpoint_url: str) -> Any:
    """Return a client of an AWS service, whose methods are made from names."""
    return _Made(endpoint_url)


def resource(_service: str, *, endpoint_url: str) -> Any:
    """Return the resource objects of an AWS service."""
    return _Made(endpoint_url)
