"""Settings: what is wrong is named with its fix, what is secret is never shown, what is documented exists."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app.families import FamiliesSettings, Family
from app.settings import Settings, explain
from tests.databases import ROOT, make_settings

URL = "postgresql://app:secret@127.0.0.1:1/none"
CANARY = "canary5ecret"


@pytest.mark.parametrize(
    ("given", "understood"),
    [
        ("postgres://app:a%40b@host/db?sslmode=require", "postgresql+asyncpg://app:a%40b@host/db?ssl=require"),
        ("postgresql://app:secret@host:6432/db?timeout=3", "postgresql+asyncpg://app:secret@host:6432/db?timeout=3"),
    ],
)
def test_what_platforms_hand_out_is_understood(given: str, understood: str) -> None:
    assert make_settings(given).database_url.get_secret_value() == understood


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
def test_a_database_url_gets_the_driver(scheme: str) -> None:
    settings = make_settings(f"{scheme}://app:secret@host/db")

    assert settings.database_url.get_secret_value() == "postgresql+asyncpg://app:secret@host/db"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"database_url": f"mysql://{CANARY}@host/db"}, "DATABASE_URL: write it as postgresql://"),
        ({"database_url": CANARY}, "DATABASE_URL: write it as postgresql://"),
        ({"database_url": f"postgresql://app:p@ss:{CANARY}@host/db"}, "DATABASE_URL: write it as postgresql://"),
        ({"database_url": f"postgresql://app:{CANARY}@[::1/db"}, "DATABASE_URL: write it as postgresql://"),
        ({"database_url": f"{URL}?channel_binding={CANARY}"}, "DATABASE_URL: asyncpg knows no channel_binding"),
        (
            {"graceful_stop_seconds": 10},
            "GRACEFUL_STOP_SECONDS must be 2 more than DRAIN_SECONDS + DATABASE_COMMAND_SECONDS",
        ),
        (
            {"drain_seconds": 20},
            "GRACEFUL_STOP_SECONDS must be 2 more than DRAIN_SECONDS + FAMILIES__",
        ),
        ({"port": 70000}, "PORT: Input should be less than or equal to 65535 (The port to listen on.)"),
        ({"log_level": CANARY}, "LOG_LEVEL: Input should be 'debug', 'info', 'warning' or 'error'"),
        ({"database_lock_seconds": 9}, "DATABASE_LOCK_SECONDS must be less than DATABASE_STATEMENT_SECONDS"),
        ({"graceful_stop_seconds": 60}, "GRACEFUL_STOP_SECONDS must be less than TERMINATION_GRACE_SECONDS"),
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
            {"environment": "production", "database_lock_seconds": 9},
            "DATABASE_LOCK_SECONDS must be less than DATABASE_STATEMENT_SECONDS; API_DOCS must be false",
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
    """Every variable at once, each holding the canary."""
    return dict.fromkeys(flat_names() - {"SERVICE_NAME"}, CANARY)


def start(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


@pytest.mark.parametrize("command", [["-c", "import app.main"], ["-m", "app.capacity"], ["-m", "alembic", "current"]])
def test_no_output_ever_shows_a_value(command: list[str]) -> None:
    result = start(command, variables())

    assert result.returncode == 1
    assert "DATABASE_URL: write it as postgresql://" in result.stderr
    assert "Traceback" not in result.stderr
    assert CANARY not in result.stdout + result.stderr


def test_a_password_does_not_reach_the_log_when_the_database_is_away() -> None:
    result = start(["-m", "alembic", "current"], {"DATABASE_URL": f"postgresql://app:{CANARY}@127.0.0.1:1/none"})

    assert result.returncode == 1
    assert "The database cannot be reached. Is DATABASE_URL right" in result.stderr
    assert CANARY not in result.stdout + result.stderr


def test_a_downstream_that_is_no_group_is_named() -> None:
    result = start(["-m", "app.capacity"], {"DATABASE_URL": URL, "DOWNSTREAMS": CANARY})

    assert 'field "downstreams"' in result.stderr
    assert "DOWNSTREAMS__<NAME>__<SETTING>" in result.stderr
    assert CANARY not in result.stdout + result.stderr


def test_settings_do_not_show_their_secrets() -> None:
    settings = make_settings(f"postgresql://app:{CANARY}@host/db")

    assert CANARY not in repr(settings) + str(settings) + settings.model_dump_json()


def test_a_missing_database_url_is_one_clear_message(tmp_path: Path) -> None:
    result = start(["-c", f"import os; os.chdir({str(tmp_path)!r}); import app.main"], {})

    assert "DATABASE_URL: Field required (The database, as postgresql://user:password@host:5432/database.)" in (
        result.stderr
    )
    assert "Traceback" not in result.stderr


def test_every_setting_says_why() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


def flat_names() -> set[str]:
    names = {name.upper() for name in Settings.model_fields} - {"DOWNSTREAMS", "FAMILIES"}
    names |= {
        f"FAMILIES__{family}__{part}".upper()
        for family in FamiliesSettings.model_fields
        for part in Family.model_fields
    }
    for downstream, field in type(make_settings(URL).downstreams).model_fields.items():
        assert field.annotation is not None
        names |= {f"DOWNSTREAMS__{downstream}__{part}".upper() for part in field.annotation.model_fields}
    return names


def test_the_example_environment_names_exactly_the_settings() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")

    assert set(re.findall(r"^#? ?([A-Z][A-Z0-9_]+)=", example, flags=re.MULTILINE)) == flat_names()


def test_the_example_environment_shows_the_defaults(tmp_path: Path) -> None:
    """With every line switched on, the example loads and equals the defaults."""
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    switched_on = tmp_path / ".env"
    switched_on.write_text(re.sub(r"^# ([A-Z][A-Z0-9_]+=.+)", r"\1", example, flags=re.MULTILINE), encoding="utf-8")

    loaded = Settings(_env_file=switched_on, database_url=URL)

    defaults = Settings(_env_file=None, database_url=URL, web_concurrency=2)
    assert loaded.model_dump() == defaults.model_dump()
