"""The fixtures of the service's tests that the console's tests reuse: databases, and one event loop."""

from devtools.tests.conftest import folder, pytest_configure
from tests.conftest import anyio_backend, committed_url, server_url, template
from tests.workers import pytest_cmdline_main

__all__ = [
    "anyio_backend",
    "committed_url",
    "folder",
    "pytest_cmdline_main",
    "pytest_configure",
    "server_url",
    "template",
]
