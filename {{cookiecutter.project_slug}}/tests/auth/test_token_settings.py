"""The service refuses to start with settings by which tokens could be forged, or the issuer's keys not be found."""

from typing import Any

import pytest
from pydantic import ValidationError

from app.downstreams.client_credentials import authorize
from app.errors import CannotStart
from app.settings.tokens import TokenSettings
from tests.databases import make_settings

NOWHERE = "postgresql://nobody@127.0.0.1:1/none"
OWN = {"client_id": "notes", "client_secret": "a:b c"}


@pytest.mark.parametrize(
    "path", ["..", ".", "/", "", "a//b", "a/", "../a", "a/..;x", "https://host/keys", "keys?x=1", "a%2fb"]
)
@pytest.mark.parametrize("name", ["keys_path", "authorize_path", "token_path"])
def test_a_path_that_leads_elsewhere_refuses_to_start(name: str, path: str) -> None:
    with pytest.raises(ValidationError, match="write a path below the address of the issuer"):
        TokenSettings.model_validate({name: path})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"downstreams": {"issuer": {"cache_seconds": 60}}}, "DOWNSTREAMS__ISSUER__CACHE_SECONDS must be 0"),
        (
            {"auth": {"audience": "web", "client_id": "web", "types": "JWT"}},
            "AUTH__AUDIENCE must not be AUTH__CLIENT_ID",
        ),
        ({"auth": {"issuer": "http://issuer.example"}}, "AUTH__ISSUER must begin with https://"),
        (
            {"downstreams": {"issuer": {"base_url": "http://issuer.example"}}},
            "DOWNSTREAMS__ISSUER__BASE_URL must begin with https://",
        ),
    ],
)
def test_settings_by_which_tokens_could_be_forged_refuse_to_start(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        make_settings(NOWHERE, **changes)


@pytest.mark.parametrize(
    ("auth", "message"),
    [
        (OWN | {"downstream_tokens": '{"ledger": {}}'}, "AUTH__DOWNSTREAM_TOKENS names ledger, which is no downstream"),
        (OWN | {"downstream_tokens": '{"issuer": {}}'}, "AUTH__DOWNSTREAM_TOKENS names issuer, which is no downstream"),
        ({"downstream_tokens": "ledger"}, "auth.downstream_tokens\n  Value error, write JSON such as"),
        ({"downstream_tokens": '["ledger"]'}, "auth.downstream_tokens\n  Input should be a valid dictionary"),
        ({"algorithms": "RS256,HS256"}, "name some of RS256"),
        ({"algorithms": ""}, "at least 1 character"),
        ({"types": ""}, "at least 1 character"),
        ({"types": "at+jwt,id_token"}, "name at\\+jwt"),
    ],
)
def test_settings_that_cannot_work_refuse_the_start(auth: dict[str, str], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        make_settings(NOWHERE, auth=auth)


@pytest.mark.parametrize("missing", OWN)
def test_only_a_process_that_makes_calls_needs_the_credentials(missing: str) -> None:
    """Settings without client credentials are valid; only a process that calls downstreams refuses to start.

    A migration, for example, has the variables of the service, but not all of its secrets.
    """
    found = make_settings(NOWHERE, auth=OWN | {missing: None}).auth
    settings = found.model_copy(update={"downstream_tokens": {"ledger": {}}})

    with pytest.raises(CannotStart, match="AUTH__DOWNSTREAM_TOKENS needs AUTH__CLIENT_ID"):
        authorize({}, settings)
