"""Validation of DATABASE_URL: accepts the forms that platforms provide, and shows no part of the URL in an error."""

import ssl
from collections.abc import Iterator
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy.engine import make_url
from sqlalchemy.engine.url import URL
from sqlalchemy.exc import ArgumentError

from app.settings.bounds import DSN_ONLY

DRIVER = "postgresql+asyncpg"
FORM = "write it as postgresql://user:password@host:5432/database"
LAST_PORT = 2**16 - 1

VALUES = {
    "ssl": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "sslnegotiation": ("postgres", "direct"),
}
"""The allowed values of some parameters of DATABASE_URL. They are checked at the start, as asyncpg itself would refuse
a wrong value only at the first connection."""

TLS_MODES = VALUES["ssl"][3:]
NEEDS_TLS = frozenset({"sslrootcert", "sslcrl", "sslnegotiation"})
"""Parameters of DATABASE_URL that have no effect unless `sslmode` demands TLS."""

NEEDED = {"sslkey": "sslcert", "sslcrl": "sslrootcert"}
"""Parameters of DATABASE_URL that have no effect without a second parameter, each with that second parameter."""

FILES = frozenset({*DSN_ONLY - {"sslnegotiation"}, "passfile"})
"""Parameters of DATABASE_URL that name a file, which the operating-system user of the service must be able to read."""

CERTIFICATES = {"sslrootcert": "certificate", "sslcert": "certificate", "sslcrl": "list of revoked certificates"}
"""Parameters of DATABASE_URL whose files OpenSSL reads, each with what the file must hold."""

PASSED_ON = frozenset({*VALUES, *FILES, "host", "port", "user", "password", "database", "krbsrvname"})

INSTEAD = {
    **dict.fromkeys(("statement_cache_size", "prepared_statement_cache_size"), "DATABASE_PGBOUNCER_CONNECTIONS"),
    "pgbouncer": "DATABASE_PGBOUNCER_CONNECTIONS",
    **dict.fromkeys(("timeout", "connect_timeout"), "DATABASE_CONNECT_TIMEOUT_SECONDS"),
    "command_timeout": "DATABASE_COMMAND_TIMEOUT_SECONDS",
    "application_name": "SERVICE_NAME",
    "target_session_attrs": "DATABASE_TARGET",
}
"""Parameters that DATABASE_URL must not have, because the service itself sets their values, each with the environment
variable to set instead."""

UNSUPPORTED = frozenset(
    {
        *("channel_binding", "client_encoding", "gssencmode", "hostaddr", "keepalives", "load_balance_hosts"),
        *("options", "require_auth", "server_settings", "service", "sslcertmode", "sslpassword", "sslsni"),
    }
)
"""Parameters of libpq and asyncpg that the service does not support in DATABASE_URL. An error message names a parameter
only if this module lists it: any other name may be a part of a password with an unescaped question mark."""


def asyncpg_url(secret: SecretStr) -> SecretStr:
    """Return a database URL that names the driver asyncpg; for `postgresql://`, SQLAlchemy 2.1 would load psycopg.

    Raises:
        ValueError: the URL is not for PostgreSQL, or has a parameter that would have no effect or a wrong value.
    """
    scheme, _separator, rest = secret.get_secret_value().partition("://")
    if not rest or scheme not in {"postgres", "postgresql", DRIVER}:
        raise ValueError(FORM)
    server = rest.partition("/")[0].rpartition("@")[2]
    if "," in server:
        raise ValueError("several servers are written as postgresql://user:password@/database?host=a:5432&host=b:5432")
    if "%2f" in server.lower():
        raise ValueError("the folder of a socket is written as postgresql://user@/database?host=/var/run/postgresql")
    try:
        url = make_url(f"{DRIVER}://{rest}")
    except (ArgumentError, ValueError):  # SQLAlchemy's message repeats a part of the URL, possibly the password
        raise ValueError(f"{FORM}, with %40 for an @ in the password") from None
    if "@" in (url.host or ""):
        raise ValueError(f"{FORM}, with %40 for an @ in the password")
    if url.port is not None and not 1 <= url.port <= LAST_PORT:
        raise ValueError(f"the port is a number from 1 to {LAST_PORT}")
    url = url.set(query={"ssl" if name == "sslmode" else name: value for name, value in url.query.items()})
    if wrong := sorted(set(_refusals(url))):
        raise ValueError("; ".join(wrong))
    return SecretStr(url.render_as_string(hide_password=False))


def _refusals(url: URL) -> Iterator[str]:
    """Yield an error sentence for each parameter of a database URL that is unknown, without effect or wrong."""
    for name, value in url.query.items():
        written = "sslmode or ssl" if name == "ssl" else name
        if name in INSTEAD:
            yield f"{name} would have no effect: remove it, and set {INSTEAD[name]} where you need it"
        elif name in UNSUPPORTED:
            yield f"{name} is not supported: remove it from behind the question mark"
        elif name not in PASSED_ON:
            yield "an unknown parameter is behind the question mark: remove it, or write %3F for a ? in the password"
        elif name != "host" and not isinstance(value, str):
            yield f"{written} is given twice: remove one of the two"
        elif value not in VALUES.get(name, (value,)):
            yield f"{written} must be {', '.join(VALUES[name][:-1])} or {VALUES[name][-1]}"
        elif name in NEEDS_TLS and value != "postgres" and url.query.get("ssl") not in TLS_MODES:
            yield f"{name} needs sslmode={', '.join(TLS_MODES[:-1])} or {TLS_MODES[-1]}"
        elif name in NEEDED and NEEDED[name] not in url.query:
            yield f"{name} would have no effect without {NEEDED[name]}: set both"
        elif name in FILES and (problem := _unusable(name, str(value))):
            yield f"{name} names a file that {problem}"


def _unusable(name: str, path: str) -> str | None:
    """Return what is wrong with the file of a parameter, None for a usable file; a private key is only opened."""
    try:
        Path(path).open("rb").close()
        if name in CERTIFICATES:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError:
        return f"holds no {CERTIFICATES[name]} in PEM form"
    except PermissionError:
        return "this user has no permission to read"
    except OSError:
        return "does not exist, or is no file (libpq's word `system` is unknown here)"
    return None


def with_target(secret: SecretStr, target: str) -> str:
    """Return a PostgreSQL URL with which asyncpg connects only to a primary (`primary`), or to any server (`any`)."""
    url = make_url(secret.get_secret_value()).update_query_dict({"target_session_attrs": target})
    return url.render_as_string(hide_password=False)
