"""Take a database URL as platforms hand it out, and say at the start what is wrong with it, without showing it."""

from inspect import signature

import asyncpg
from pydantic import SecretStr
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

DRIVER = "postgresql+asyncpg"
FORM = "write it as postgresql://user:password@host:5432/database"


def asyncpg_url(secret: SecretStr) -> SecretStr:
    """Name the driver and translate what is libpq's: a bare `postgresql://` means psycopg to SQLAlchemy 2.1.

    Raises:
        ValueError: it is no such URL, or has a parameter that asyncpg does not know; the message holds no part of it.
    """
    scheme, _separator, rest = secret.get_secret_value().partition("://")
    if not rest or scheme not in {"postgres", "postgresql", DRIVER}:
        raise ValueError(FORM)
    try:
        url = make_url(f"{DRIVER}://{rest}")
    except (ArgumentError, ValueError):  # the text of the error repeats a part of the URL, maybe of the password
        raise ValueError(f"{FORM}, with %40 for an @ in the password") from None
    query = {"ssl" if name == "sslmode" else name: value for name, value in url.query.items()}
    if unknown := query.keys() - signature(asyncpg.connect).parameters.keys():
        raise ValueError(f"asyncpg knows no {', '.join(sorted(unknown))}: remove it from behind the question mark")
    return SecretStr(url.set(query=query).render_as_string(hide_password=False))
