"""Settings of access tokens, such as AUTH__AUDIENCE; the address of the issuer is DOWNSTREAMS__ISSUER__BASE_URL."""

import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, Field, SecretStr, TypeAdapter, ValidationError

from app.settings.browsers import words

ASYMMETRIC = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""The signature algorithms that AUTH__ALGORITHMS may allow, all with a key pair: with a shared secret, every service
that checks tokens could also sign tokens."""


def _check_algorithms(text: str) -> str:
    if not words(text) or words(text) - set(ASYMMETRIC):
        raise ValueError(f"name some of {', '.join(ASYMMETRIC)}, separated by commas")
    return text


def _check_types(text: str) -> str:
    if not words(text) <= {"at+jwt", "JWT"} or not words(text):
        raise ValueError("name at+jwt, or JWT for an issuer that does not write at+jwt, or both, separated by commas")
    return text


def _check_tokens(text: str) -> str:
    try:
        FORMS.validate_json(text)
    except ValidationError:
        raise ValueError('write JSON such as {"ledger": {"audience": "ledger-api"}}') from None
    return text


def _check_path(text: str) -> str:
    if not PATH.fullmatch(text):
        raise ValueError("write a path below the address of the issuer, such as oauth2/keys, without a query")
    return text.strip("/")


PATH = re.compile(r"/?((?!\.{0,2}(;|/|$))[A-Za-z0-9._~!$&'()*+,;=@-]+(/(?=.)|$))+")
FORMS = TypeAdapter(dict[str, dict[str, str]])
Path = Annotated[str, AfterValidator(_check_path)]
Claim = Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,100}$")]


class TokenSettings(BaseModel, frozen=True, use_attribute_docstrings=True, extra="forbid", hide_input_in_errors=True):
    """The access tokens that the service accepts, and the credentials with which it gets tokens for its own calls."""

    issuer: Annotated[str, Field(pattern=r"^https?://[\x21-\x7e]{1,300}$")] | None = None
    """The name of the issuer in the claim `iss` of tokens; unset, the address of the downstream `issuer`."""

    audience: Claim = "{{ cookiecutter.project_slug }}"
    """The name of this API in tokens, the claim `aud`. Choose a name that is not the id of a client: otherwise an ID
    token for that client would be accepted."""

    algorithms: Annotated[str, AfterValidator(_check_algorithms)] = "RS256,ES256"
    """The signature algorithms that are accepted, comma separated; algorithms with a shared secret are refused."""

    types: Annotated[str, AfterValidator(_check_types)] = "at+jwt"
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

    downstream_tokens: Annotated[str, AfterValidator(_check_tokens)] = "{}"
    """The downstreams whose calls carry a token of this service, as JSON: the name of each downstream, and the fields
    of its token request, such as `{"ledger": {"audience": "ledger-api", "scope": "entries:read"}}`."""

    @property
    def forms(self) -> dict[str, dict[str, str]]:
        """The fields of the token request for each downstream that gets a token, by the downstream's name."""
        return FORMS.validate_json(self.downstream_tokens)

    def unsafe(self, issuer_url: str, *, production: bool) -> Iterator[str]:
        """Yield an error sentence for each setting that lets keys or tokens be forged, such as an address without TLS.

        Args:
            issuer_url: the address of the downstream `issuer`, empty when unset.
            production: whether ENVIRONMENT is production.
        """
        if self.audience == self.client_id and "JWT" in words(self.types):
            yield "AUTH__AUDIENCE must not be AUTH__CLIENT_ID, as the ID tokens of a client have that audience"
        variables = {"AUTH__ISSUER": self.issuer or "", "DOWNSTREAMS__ISSUER__BASE_URL": issuer_url}
        for variable, url in variables.items():
            if url.startswith("http://") and (production or not _is_this_machine(url)):
                yield f"{variable} must begin with https://, but for an issuer of this machine in development"


def _is_this_machine(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
