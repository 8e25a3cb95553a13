"""Settings of access tokens by which tokens could be forged, or keys not be found, refuse to start."""

from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from app.auth.middleware import UnsafeIssuer, build_tokens
from app.downstreams.client_credentials import TokensError, authorize
from app.settings.tokens import TokenSettings
from tests.databases import make_settings

SETTINGS = TokenSettings(client_id="notes", client_secret=SecretStr("a:b c"))


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
    ],
)
def test_settings_by_which_tokens_could_be_forged_refuse_to_start(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UnsafeIssuer, match=message):
        build_tokens(make_settings("postgresql://nobody@127.0.0.1:1/none", **changes))


def test_settings_that_cannot_work_refuse_the_start() -> None:
    unknown = SETTINGS.model_copy(update={"downstream_tokens": '{"ledger": {}}'})
    with pytest.raises(TokensError, match="AUTH__DOWNSTREAM_TOKENS names ledger, which is no downstream"):
        authorize({}, unknown)
    own = SETTINGS.model_copy(update={"downstream_tokens": '{"issuer": {}}'})
    with pytest.raises(TokensError, match="AUTH__DOWNSTREAM_TOKENS names issuer, which is no downstream"):
        authorize({"issuer": None}, own)  # type: ignore[dict-item]
    with pytest.raises(TokensError, match="AUTH__DOWNSTREAM_TOKENS needs AUTH__CLIENT_ID"):
        authorize({"ledger": None}, TokenSettings(downstream_tokens='{"ledger": {}}'))  # type: ignore[dict-item]
