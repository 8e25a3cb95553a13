"""Spaces around an environment variable's value do not matter; a misspelt name is refused with the nearest name."""

import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.settings.database_url import asyncpg_url
from app.settings.environment import misspelt
from app.settings.load import KNOWN
from tests.databases import ROOT
from tests.settings.test_service import URL, start


def test_every_line_of_the_example_environment_can_be_switched_on(tmp_path: Path) -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    (tmp_path / ".env").write_text(re.sub(r"^# (?=[A-Z][A-Z0-9_]+=)", "", example, flags=re.MULTILINE), "utf-8")
    command = ["-c", f"import os; os.chdir({str(tmp_path)!r}); import app.main"]

    result = start(command, {"ENVIRONMENT": "development"})

    assert (result.returncode, result.stderr) == (0, "")


def test_spaces_empty_values_and_capitals_mean_what_they_look_like(tmp_path: Path) -> None:
    lines = f"DATABASE_URL=' {URL}\n'", "PORT=", "HOST=' '", "LOG_LEVEL=INFO ", "DATABASE_CAPACITY_CHECK=Warn"
    (tmp_path / ".env").write_text("\n".join(lines), encoding="utf-8")
    shown = "s.host, s.port, s.log_level, s.database_capacity_check, s.database_url.get_secret_value()"
    program = f"import os; os.chdir({str(tmp_path)!r}); from app.settings.load import load_settings as s; s = s()"

    result = start(["-c", f"{program}; print({shown})"], {})

    assert result.stdout == f"127.0.0.1 8000 info warn {URL.replace('postgresql', 'postgresql+asyncpg')}\n"


def test_production_refuses_misspelt_names_and_names_the_nearest() -> None:
    wrong = {"ENVIROMENT": "x", "DATABASE_POOL_LIMITT": "5", "ROUTE_GROUPS__OTHER__MAX_CONCURRENT": "5"}

    result = start(["-c", "import app.main"], {"DATABASE_URL": URL, "DATABASE_HOST": "fine"} | wrong)

    assert "DATABASE_POOL_LIMITT: there is no such setting; the nearest is DATABASE_POOL_LIMIT\n" in result.stderr
    assert "ROUTE_GROUPS__OTHER: there is no such setting; the nearest is ROUTE_GROUPS__OTHERS\n" in result.stderr
    assert "ENVIROMENT: there is no such setting; the nearest is ENVIRONMENT\n" in result.stderr
    assert (result.returncode, result.stderr.count("no such setting")) == (1, 3)


NEAREST = [
    ("DATABASE_POOL_SIZE", "DATABASE_POOL_LIMIT"),
    ("DATABASE_TIMEOUT", "DATABASE_LOCK_TIMEOUT_SECONDS"),
    ("GRACEFUL_TIMEOUT", "GRACEFUL_SHUTDOWN_SECONDS"),
    ("ROUTE_GROUPS__OTHERS__MAX_CONCURRENT__X", "ROUTE_GROUPS__OTHERS__MAX_CONCURRENT"),
]


@pytest.mark.parametrize(("name", "setting"), NEAREST)
def test_a_name_of_the_words_of_settings_is_misspelt(name: str, setting: str) -> None:
    assert list(misspelt({name}, KNOWN)) == [f"  {name}: there is no such setting; the nearest is {setting}"]


def test_variables_of_platforms_are_no_misspelt_settings() -> None:
    theirs = """
        HOSTS HOSTNAME OTEL_SERVICE_NAME LOG_DIR API_KEY SERVICE_PORT WEB_PORT PORT_8000_TCP INSTANCE_NAME THREAD_POOL
        DATABASE_HOST DATABASE_PORT DATABASE_USER DATABASE_PASSWORD DATABASE_NAME DATABASE_SCHEMA DATABASE_PORT_5432_TCP
        DATABASE_PRIVATE_URL DATABASE_POOL_URL DATABASE_URL_UNPOOLED DATABASE_URL_FILE DATABASE_READ_REPLICA_URL"""

    assert list(misspelt(set(theirs.split()), KNOWN)) == []


@pytest.mark.parametrize(
    ("behind", "sentence"),
    {
        "?sslmode=no-verify": "sslmode or ssl must be disable, allow, prefer, require, verify-ca or verify-full",
        "?ssl=true": "sslmode or ssl must be disable, allow",
        "?sslmode=prefer&sslrootcert=x.pem": "sslrootcert needs sslmode=require, verify-ca or verify-full",
        "?sslmode=verify-full&sslrootcert=system": "sslrootcert names a file that does not exist, or is no file",
        "?sslmode=require&sslcrl=x.pem": "sslcrl would have no effect without sslrootcert: set both",
        "?sslmode=require&sslkey=x.pem": "sslkey would have no effect without sslcert: set both",
        "?statement_cache_size=0": "remove it, and set DATABASE_PGBOUNCER_CONNECTIONS",
        "?target_session_attrs=primary": "remove it, and set DATABASE_TARGET",
        "?timeout=3": "remove it, and set DATABASE_CONNECT_TIMEOUT_SECONDS",
        "?server_settings=canary": "server_settings is not supported: remove it",
        "?canary=canary": "an unknown parameter is behind the question mark",
    }.items(),
)
def test_a_parameter_of_the_url_has_an_effect_or_is_refused(behind: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=re.escape(sentence)) as refusal:
        asyncpg_url(SecretStr(f"{URL}{behind}"))
    assert "canary" not in str(refusal.value)
