"""A wrong setting refuses the start with the fix, no error shows a secret, and every setting has a description."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app.settings.load import explain
from app.settings.service import Settings
from devtools.env_example import settings_of
from tests.databases import ROOT, make_settings

URL = "postgresql://app:secret@127.0.0.1:1/none"
CANARY = "canary5ecret"


@pytest.mark.parametrize(
    ("given", "understood"),
    [
        ("postgres://app:a%40b@host/db?sslmode=require", "postgresql+asyncpg://app:a%40b@host/db?ssl=require"),
        ("postgresql://app:secret@/db?host=/tmp", "postgresql+asyncpg://app:secret@/db?host=%2Ftmp"),
    ],
)
def test_a_database_url_as_platforms_provide_it_is_accepted(given: str, understood: str) -> None:
    assert make_settings(given).database_url.get_secret_value() == understood


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"database_url": f"mysql://{CANARY}@host/db"}, "DATABASE_URL: write it as postgresql://"),
        ({"database_url": CANARY}, "DATABASE_URL: write it as postgresql://"),
        ({"database_url": f"postgresql://app:p@ss:{CANARY}@host/db"}, "DATABASE_URL: write it as postgresql://"),
        ({"database_url": f"postgresql://app:{CANARY}@[::1/db"}, "DATABASE_URL: write it as postgresql://"),
        ({"database_url": f"postgresql://app:p@{CANARY}@host/db"}, "%40 for an @ in the password"),
        ({"database_url": f"{URL}?channel_binding={CANARY}"}, "DATABASE_URL: channel_binding is not supported"),
        (
            {"graceful_shutdown_seconds": 10},
            "GRACEFUL_SHUTDOWN_SECONDS must be 2 more than DRAIN_SECONDS + DATABASE_COMMAND_TIMEOUT_SECONDS",
        ),
        ({"drain_seconds": 20}, "GRACEFUL_SHUTDOWN_SECONDS must be 2 more than DRAIN_SECONDS + ROUTE_GROUPS__"),
        ({"port": 70000}, "PORT: Input should be less than or equal to 65535 (The TCP port to listen on.)"),
        ({"host": "0.0.0.0:9000"}, "HOST: this is not of the right form (The address to listen on; 0.0.0.0 in"),
        ({"forwarded_allow_ips": "nginx"}, "believes their X-Forwarded-* headers, trace and short deadlines,"),
        ({"idempotency_seconds": 10**14}, "IDEMPOTENCY_SECONDS: Input should be less than or equal to 31536000"),
        ({"log_level": CANARY}, "LOG_LEVEL: Input should be 'debug', 'info', 'warning' or 'error'"),
        (
            {"database_lock_timeout_seconds": 9},
            "DATABASE_LOCK_TIMEOUT_SECONDS must be less than DATABASE_STATEMENT_TIMEOUT_SECONDS",
        ),
        ({"graceful_shutdown_seconds": 60}, "GRACEFUL_SHUTDOWN_SECONDS must be less than TERMINATION_GRACE_SECONDS"),
        ({"environment": "production"}, "API_DOCS must be false when ENVIRONMENT is production"),
        (
            {"environment": "production", "forwarded_allow_ips": "*"},
            "FORWARDED_ALLOW_IPS must name the proxies and not * when ENVIRONMENT is production",
        ),
        (
            {"environment": "production", "forwarded_allow_ips": "10.0.0.1, 0.0.0.0/0"},
            "API_DOCS must be false when ENVIRONMENT is production; FORWARDED_ALLOW_IPS must name",
        ),
        (
            {"environment": "production", "database_lock_timeout_seconds": 9},
            "STATEMENT_TIMEOUT_SECONDS; API_DOCS must be false",
        ),
    ],
)
def test_a_wrong_setting_is_named_with_its_fix(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        make_settings(**({"database_url": URL} | changes))

    assert message in explain(refusal.value)
    assert CANARY not in explain(refusal.value)
    assert CANARY not in str(refusal.value)


def variables() -> dict[str, str]:
    """Return all environment variables of the settings, each with a canary value, a secret that no error may show."""
    return dict.fromkeys(settings_of().keys() - {"SERVICE_NAME"}, CANARY)


def start(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,  # a start takes 1 s, but many times as long on a busy machine
    )


@pytest.mark.parametrize(
    "command", [["-c", "import app.main"], ["-m", "devtools.capacity"], ["-m", "alembic", "current"]]
)
def test_no_error_message_shows_a_value_of_a_variable(command: list[str]) -> None:
    result = start(command, variables())

    assert result.returncode == 1
    assert "DATABASE_URL: write it as postgresql://" in result.stderr
    assert "Traceback" not in result.stderr
    assert CANARY not in result.stdout + result.stderr


def test_a_password_does_not_reach_the_log_when_the_database_is_unreachable() -> None:
    result = start(["-m", "alembic", "current"], {"DATABASE_URL": f"postgresql://app:{CANARY}@127.0.0.1:1/none"})

    assert result.returncode == 1
    assert "The database cannot be reached. Is DATABASE_URL right" in result.stderr
    assert CANARY not in result.stdout + result.stderr


def test_a_group_of_settings_without_its_names_is_named() -> None:
    result = start(["-m", "devtools.capacity"], {"DATABASE_URL": URL, "ROUTE_GROUPS": CANARY})

    sentence = "  ROUTE_GROUPS: the value is no JSON: remove it, and write ROUTE_GROUPS__<NAME>__<SETTING>\n"
    assert sentence in result.stderr
    assert CANARY not in result.stdout + result.stderr


def test_settings_do_not_show_their_secrets() -> None:
    settings = make_settings(f"postgresql://app:{CANARY}@host/db")

    assert CANARY not in repr(settings) + str(settings) + settings.model_dump_json()


def test_a_missing_database_url_is_a_sentence_without_a_traceback(tmp_path: Path) -> None:
    result = start(["-c", f"import os; os.chdir({str(tmp_path)!r}); import app.main"], {})

    assert "DATABASE_URL: Field required (The database, as postgresql://user:password@host:5432/database.)" in (
        result.stderr
    )
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("host", ["localhost", "10.0.0.1", "::", "[::1]", "fe80::1%eth0", "::ffff:10.0.0.1", "unix:/x"])
def test_a_host_is_a_name_an_address_or_a_socket(host: str) -> None:
    assert make_settings(URL, host=host).host == host


def test_every_setting_has_a_description() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
