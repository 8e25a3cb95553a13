"""Validation of REDIS_URL, the URL of a Valkey or Redis."""

import re
from importlib.util import find_spec
from typing import Annotated
from urllib.parse import parse_qs, urlsplit

from pydantic import AfterValidator, SecretStr

FORM = "write it as redis://user:password@host:6379/0, or as rediss://... for TLS"
PACKAGE = "the package `redis` is not installed: run `uv sync --extra redis`, and name this extra in the Dockerfile too"
OPTIONS = "its only parameters are those that begin with ssl_, as others would change the bounds of the client"


def redis_url(secret: SecretStr) -> SecretStr:
    """Return the URL of a Valkey or Redis unchanged, if it is valid.

    Raises:
        ValueError: the package `redis` is not installed, or the URL has the wrong form or a forbidden parameter.
    """
    if find_spec("redis") is None:
        raise ValueError(PACKAGE)
    try:
        url = urlsplit(secret.get_secret_value())
        fits = url.scheme in {"redis", "rediss"} and url.hostname and url.port != 0
    except ValueError:  # the exception's message repeats a part of the URL, possibly of the password
        fits = False
    if not fits or not re.fullmatch(r"(/\d*)?", url.path):
        raise ValueError(FORM)
    if any(not name.startswith("ssl_") for name in parse_qs(url.query, keep_blank_values=True)):
        raise ValueError(OPTIONS)
    return secret


def checks_server(secret: SecretStr | None) -> bool:
    """Tell whether the client for a Valkey or Redis URL checks the server's TLS certificate; True without a URL."""
    query = parse_qs(urlsplit(secret.get_secret_value()).query) if secret else {}
    return all(value.lower() in values for name, values in CHECKS.items() for value in query.get(name, ()))


CHECKS = {"ssl_cert_reqs": {"required"}, "ssl_check_hostname": {"true", "yes", "1"}}
"""The parameters of redis-py about the server's TLS certificate, each with the values that do not turn off the check of
the certificate."""

RedisUrl = Annotated[SecretStr, AfterValidator(redis_url)]
