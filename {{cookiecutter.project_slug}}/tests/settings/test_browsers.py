"""Unsafe CORS origins, and origins or hosts that never match or match too much, are refused at the start."""

from typing import Any

import pytest
from pydantic import ValidationError

from app.settings.load import explain
from tests.databases import make_settings

NOWHERE, PAGE = "postgresql://nobody@127.0.0.1:1/none", "https://app.example.com"
ORIGIN_FORM, HOST_FORM = "CORS_ORIGINS: write origins such as", "ALLOWED_HOSTS: write names such as"
OPEN = "CORS_ORIGINS must name the origins and not * when CORS_CREDENTIALS is true"
HTTPS = "CORS_ORIGINS must name origins that begin with https:// when ENVIRONMENT is production"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        *(("cors_origins", f"{PAGE}{end}", ORIGIN_FORM) for end in ("/", "/app", "?a", "#a", ":443", ":0443", " b")),
        *(("cors_origins", one, ORIGIN_FORM) for one in ("null", "app.example.com", PAGE.upper(), "ftp://a", "*,null")),
        *(("cors_origins", f"https://{one}", ORIGIN_FORM) for one in ("*.example.com", "a@b", "ä.de", ".*", "[::1")),
        ("cors_origins", "http://a:80", ORIGIN_FORM),
        *(
            ("allowed_hosts", one, HOST_FORM)
            for one in (",", "*", "a, *", "a.*", "*a", "https://a", "a:80", "A", "a/", ".a")
        ),
    ],
)
def test_a_spelling_that_never_matches_or_matches_too_much_is_refused(name: str, value: str, message: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        make_settings(NOWHERE, **{name: value})

    assert message in explain(refusal.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"environment": "development", "cors_origins": "*", "cors_credentials": True}, OPEN),
        ({"cors_origins": "*"}, HTTPS),
        ({"cors_origins": f"{PAGE},http://app.example.com"}, HTTPS),
        ({"cors_origins": "http://localhost:3000"}, HTTPS),
    ],
)
def test_unsafe_origins_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        make_settings(NOWHERE, **({"environment": "production", "api_docs": False} | changes))

    assert message in explain(refusal.value)
