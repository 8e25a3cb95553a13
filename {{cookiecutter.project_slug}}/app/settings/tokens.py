"""Settings of access tokens, such as AUTH__AUDIENCE; the address of the issuer is DOWNSTREAMS__ISSUER__BASE_URL."""

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from app.settings.browsers import each, words

if TYPE_CHECKING:
    from app.settings.downstreams import DownstreamsSettings

ASYMMETRIC = re.compile(r"(RS|PS|ES)(256|384|512)|EdDSA")
"""The signature algorithms that AUTH__ALGORITHMS may allow, all with a key pair: with a shared secret, every service
that checks tokens could also sign tokens."""

PATH = re.compile(r"/?((?!\.{0,2}(;|/|$))[A-Za-z0-9._~!$&'()*+,;=@-]+(/(?=.)|$))+")
THIS_MACHINE = {"127.0.0.1", "::1", "localhost"}


def _check_path(text: str) -> str:
    if not PATH.fullmatch(text):
        raise ValueError("write a path below the address of the issuer, such as oauth2/keys, without a query")
    return text.strip("/")


def _read_json(value: object) -> object:
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        raise ValueError('write JSON such as {"ledger": {"scope": "entries:read"}}') from None


Path = Annotated[str, AfterValidator(_check_path)]
Claim = Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,100}$")]
Forms = Annotated[dict[str, dict[str, str]], NoDecode, BeforeValidator(_read_json)]
Listed = Annotated[str, Field(min_length=1)]
Algorithms = Annotated[Listed, each(ASYMMETRIC, "name some of RS256, PS256, ES256, their 384 and 512, and EdDSA")]
Types = Annotated[Listed, each(re.compile(r"at\+jwt|JWT"), "name at+jwt, or JWT if the issuer writes JWT, or both")]


class TokenSettings(BaseModel, frozen=True, use_attribute_docstrings=True, extra="forbid", hide_input_in_errors=True):
    """The access tokens that the service accepts, and the credentials with which it gets tokens for its own calls."""

    issuer: Annotated[str, Field(pattern=r"^https?://[\x21-\x7e]{1,300}$")] | None = None
    """The name of the issuer in the claim `iss` of tokens; unset, the address of the downstream `issuer`."""

    audience: Claim = "{{ cookiecutter.project_slug }}"
    """The name of this API in tokens, the claim `aud`. Choose a name that is not the id of a client: otherwise an ID
    token for that client would be accepted."""

    algorithms: Algorithms = "RS256,ES256"
    """The signature algorithms that are accepted, comma separated; algorithms with a shared secret are refused."""

    types: Types = "at+jwt"
    """The accepted values of the token header `typ`, comma separated: at+jwt, or JWT for an issuer that writes JWT."""

    leeway_seconds: float = Field(default=30.0, ge=0, le=120)
    """The tolerated difference between the clocks of the issuer and of this service, in seconds."""

    max_lifetime_seconds: float = Field(default=86_400.0, gt=0, le=86_400)
    """The longest accepted lifetime of a token, in seconds: a token cannot be withdrawn before it expires."""

    scope_claim: Claim = "scope"
    """The name of the claim with the scopes (a list, or words with spaces): scope, at some issuers scp or roles."""

    client_claim: Claim = "client_id"
    """The name of the claim with the id of the client: client_id, at some issuers azp or appid."""

    keys_path: Path = ".well-known/jwks.json"
    """The path of the keys of the issuer (JWKS), below the address of the downstream `issuer`."""

    authorize_path: Path = "authorize"
    """The path, below the address of the issuer, at which people sign in; only the page /docs uses it."""

    token_path: Path = "token"  # noqa: S105 - the value is a path, no password
    """The path, below the address of the issuer, at which the service gets tokens for its own calls."""

    client_id: Claim | None = None
    """The id of this service at the issuer, for calls to downstreams that want a token."""

    client_secret: SecretStr | None = None
    """The secret of this service at the issuer; never written to a log."""

    downstream_tokens: Forms = {}
    """The downstreams whose calls carry a token of this service, as JSON: the name of each downstream, and the fields
    of its token request, such as `{"ledger": {"audience": "ledger-api", "scope": "entries:read"}}`."""

    def unsafe(self, downstreams: "DownstreamsSettings", *, production: bool) -> Iterator[str]:
        """Yield an error sentence for each setting that lets keys or tokens be forged, or that cannot work.

        Args:
            downstreams: the settings of all downstreams, the issuer included.
            production: whether ENVIRONMENT is production.
        """
        issuer, names = downstreams.issuer, {name for name, _ in downstreams}
        if self.audience == self.client_id and "JWT" in words(self.types):
            yield "AUTH__AUDIENCE must not be AUTH__CLIENT_ID, as the ID tokens of a client have that audience"
        if issuer.cache_seconds:  # a second cache of the issuer's keys would hide that the issuer has changed a key
            yield "DOWNSTREAMS__ISSUER__CACHE_SECONDS must be 0"
        for variable, url in {"AUTH__ISSUER": self.issuer, "DOWNSTREAMS__ISSUER__BASE_URL": issuer.base_url}.items():
            address = urlsplit(str(url or ""))
            if address.scheme == "http" and (production or address.hostname not in THIS_MACHINE):
                yield f"{variable} must begin with https://, but for an issuer of this machine in development"
        # Calls to the issuer itself carry no token, but the client id and the client secret of the service.
        if unknown := self.downstream_tokens.keys() - (names - {"issuer"}):
            listed = ", ".join(sorted(unknown))
            yield f"AUTH__DOWNSTREAM_TOKENS names {listed}, which is no downstream that may get one"
