"""A wrong REDIS_URL, or one without the package `redis`, refuses the start; the error has the fix and not the URL."""

import subprocess
import sys

import pytest
from pydantic import ValidationError

from tests.databases import ROOT, make_settings

NOWHERE = "postgresql://nobody@127.0.0.1:1/none"
SECRET = "canary5ecret"


@pytest.mark.parametrize("url", ["redis://host", "redis://:pw@host:6379/1", "rediss://host:1/?ssl_ca_certs=/a.pem"])
def test_a_url_as_platforms_provide_it_is_accepted(url: str) -> None:
    found = make_settings(NOWHERE, redis_url=url).redis_url

    assert found is not None
    assert found.get_secret_value() == url


@pytest.mark.parametrize(
    ("url", "fix"),
    [
        (f"http://:{SECRET}@host", "write it as redis://"),
        (f"host:6379/{SECRET}", "write it as redis://"),
        (f"redis://:{SECRET}/2@host", "write it as redis://"),
        (f"redis://:{SECRET}@host:port", "write it as redis://"),
        (f"redis://:{SECRET}@host:99999", "write it as redis://"),
        (f"redis://:{SECRET}@[::1", "write it as redis://"),
        (f"redis://:{SECRET}@host/name", "write it as redis://"),
        (f"redis://:{SECRET}@host?socket_timeout=60", "its only parameters are those that begin with ssl_"),
    ],
)
def test_a_wrong_url_is_refused_with_the_fix_and_without_the_value(url: str, fix: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        make_settings(NOWHERE, redis_url=url)

    assert fix in str(refusal.value)
    assert SECRET not in str(refusal.value)


@pytest.mark.parametrize(
    "options", ["ssl_cert_reqs=none", "ssl_cert_reqs=CERT_NONE", "ssl_check_hostname=False", "ssl_check_hostname=0"]
)
def test_production_refuses_a_url_that_turns_off_the_check_of_the_certificate(options: str) -> None:
    url = f"rediss://:{SECRET}@host?{options}"
    with pytest.raises(ValidationError, match="REDIS_URL must not turn off the check of the certificate") as refusal:
        make_settings(NOWHERE, redis_url=url, environment="production", api_docs=False)

    assert SECRET not in str(refusal.value)
    assert make_settings(NOWHERE, redis_url=url).redis_url


WITHOUT_REDIS = """
import importlib.util, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "redis" else find(name, *rest)
sys.modules["redis"] = None
import app.main
"""
"""A program that starts the service as if the package `redis` were missing, as in an image without the extra
`redis`."""


def start_without_redis(**variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"DATABASE_URL": NOWHERE, "ENVIRONMENT": "development", **variables}
    command = [sys.executable, "-c", WITHOUT_REDIS]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_without_the_package_the_url_is_refused_with_the_command() -> None:
    done = start_without_redis(REDIS_URL="redis://host")

    assert done.returncode == 1
    assert "REDIS_URL: the package `redis` is not installed: run `uv sync --extra redis`" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_the_package_and_the_url_the_service_starts() -> None:
    done = start_without_redis()

    assert (done.returncode, done.stderr) == (0, "")
