"""Log lines of all loggers have the same fields; tested in a separate process, whose output pytest cannot capture."""

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.databases import ROOT

SPEAK = """
import logging
import structlog
from app.observability import logs
from app.request.identity import request_id

logs.configure(level="info", log_format={log_format!r})
request_id.set("caller-0001")
with structlog.contextvars.bound_contextvars(batch=7):
    structlog.get_logger("service").info("from the service", number=1)
    for name in ("uvicorn.error", "gunicorn.error", "sqlalchemy.engine.Engine", "alembic", "library"):
        logging.getLogger(name).warning("from %s", name)
    logging.getLogger("uvicorn.error").info("plain", extra=dict(color_message="coloured"))
    structlog.get_logger("service").debug("too quiet")
    logging.getLogger("httpx").info("HTTP Request: GET http://secret.invalid/?token=canary")
    logging.getLogger("uvicorn.access").info("a second access log")
    secret = "canary"
    broken = ValueError("broken")
    broken.exceptions = 7  # an attribute as a group of exceptions has
    try:
        raise broken
    except ValueError:
        structlog.get_logger("service").exception("service failed")
        logging.getLogger("library").exception("library failed")
    structlog.get_logger("service").warn("no JSON library takes all", large=2**70, text=chr(0xD800))
"""

MOMENT = r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"


def speak(log_format: str) -> list[str]:
    program = SPEAK.format(log_format=log_format)
    far_from_utc = os.environ | {"TZ": "JST-9"}
    command = [sys.executable, "-c", program]
    result = subprocess.run(command, cwd=ROOT, env=far_from_utc, capture_output=True, text=True, check=True)

    assert result.stderr == ""
    assert "canary" not in result.stdout
    return result.stdout.splitlines()


def test_json_lines_of_all_loggers_have_the_same_shape() -> None:
    lines: list[dict[str, Any]] = [json.loads(line) for line in speak("json")]

    assert [line["event"] for line in lines] == [
        "from the service",
        "from uvicorn.error",
        "from gunicorn.error",
        "from sqlalchemy.engine.Engine",
        "from alembic",
        "from library",
        "plain",
        "service failed",
        "library failed",
        "no JSON library takes all",
    ]
    assert [line["level"] for line in lines] == ["info", *["warning"] * 5, "info", "error", "error", "warning"]
    assert [line["timestamp"] for line in lines if not re.fullmatch(MOMENT, line["timestamp"])] == []
    assert abs(datetime.now(UTC) - datetime.fromisoformat(lines[0]["timestamp"])) < timedelta(minutes=5)
    assert [line["request_id"] for line in lines] == ["caller-0001"] * len(lines)
    assert {frozenset(line) for line in lines[1:7]} == {
        frozenset({"event", "level", "timestamp", "request_id", "batch"})
    }
    assert [line["exception"].splitlines()[-1] for line in lines[7:9]] == ["builtins.ValueError"] * 2
    assert (lines[9]["large"], lines[9]["text"]) == (2**70, "\ud800")


def test_the_console_format_shows_the_same_lines() -> None:
    text = "\n".join(speak("console"))

    assert text.count("request_id=caller-0001") == 10
    assert len(re.findall(rf"^{MOMENT} \[", text, re.MULTILINE)) == 10
    assert text.count("ValueError: broken") == 2
    assert "\x1b[" not in text  # no colours, as the output is a pipe


def test_a_developer_reads_method_path_status_and_milliseconds_first() -> None:
    code = (
        "import structlog\n"
        "from app.observability import logs\n"
        "logs.configure(level='info', log_format='console')\n"
        "structlog.get_logger('access').info('request', method='GET', path='/x', status=200, milliseconds=1.5, bytes=7)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)

    assert re.search(r"\] request +method=GET path=/x status=200 milliseconds=1\.5 bytes=7", done.stdout), done.stdout
