"""The stub of the downstream `issuer`: issues access tokens in development, signed by a key made at start-up.

The stub signs in any user: `authorize` asks for no password, and redirects to this machine only. The service refuses
such an issuer in production, as its address is not https.
"""

import os
import secrets
import time
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from jwt.algorithms import ECAlgorithm
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

AUDIENCE = os.environ.get("AUTH__AUDIENCE") or "{{ cookiecutter.project_slug }}"
SECONDS = 3600
CODE_SECONDS = 60
MAX_CODES = 100
THIS_MACHINE = {"127.0.0.1", "localhost", "::1"}
PERSON = "ada"
"""The user that is signed in, unless the request has a `login_hint`."""

KEY, KID = generate_private_key(SECP256R1()), secrets.token_hex(8)
PUBLIC = {**ECAlgorithm.to_jwk(KEY.public_key(), as_dict=True), "kid": KID, "use": "sig", "alg": "ES256"}

ANY_ORIGIN = {"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "*", "Cache-Control": "no-store"}
"""CORS headers: the page /docs has a different port, and so a different origin."""


@dataclass(frozen=True, slots=True)
class Grant:
    """An authorization grant: the data of an authorization code, with which a client gets one access token."""

    challenge: str
    redirect: str
    claims: dict[str, str]
    ends: float


CODES: dict[str, Grant] = {}


def token(issuer: str, claims: Mapping[str, Any], headers: Mapping[str, Any] = {}) -> str:
    """Return a signed access token with these claims and headers, added to the standard claims and headers."""
    now = int(time.time())
    known = {"iss": issuer, "aud": AUDIENCE, "iat": now, "exp": now + SECONDS, "jti": secrets.token_hex(8)}
    head = {"typ": "at+jwt", "kid": KID} | dict(headers)
    return jwt.encode(known | dict(claims), KEY, algorithm="ES256", headers=head)


def issuer_of(request: Request) -> str:
    """Return the address of this issuer, taken from the request's URL."""
    return f"{request.url.scheme}://{request.url.netloc}{request.scope['root_path']}"


def refusal(error: str, description: str, status: int = 400) -> Response:
    """Return an error response in the form of RFC 6749 (OAuth 2.0)."""
    return JSONResponse({"error": error, "error_description": description}, status, headers=ANY_ORIGIN)


async def discover(request: Request) -> Response:
    """Answer with the OpenID Connect Discovery document: the issuer's endpoints and methods."""
    issuer = issuer_of(request)
    paths = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": ".well-known/jwks.json"}
    known = {name: f"{issuer}/{path}" for name, path in paths.items()}
    methods = {"response_types_supported": ["code"], "code_challenge_methods_supported": ["S256"]}
    grants = {"grant_types_supported": ["authorization_code", "client_credentials"]}
    return JSONResponse({"issuer": issuer} | known | methods | grants, headers=ANY_ORIGIN)


async def show_keys(_request: Request) -> Response:
    """Answer with the public signing key."""
    return JSONResponse({"keys": [PUBLIC]}, headers=ANY_ORIGIN)


async def authorize(request: Request) -> Response:
    """Sign a user in without a password, and redirect with an authorization code; PKCE with S256 is required."""
    asked = request.query_params
    redirect = asked.get("redirect_uri", "")
    if urlsplit(redirect).hostname not in THIS_MACHINE:
        return refusal("invalid_request", "redirect_uri must be an address of this machine.")
    if asked.get("response_type") != "code" or asked.get("code_challenge_method") != "S256":
        return refusal("invalid_request", "response_type must be code, with a code_challenge by S256.")
    if len(CODES) >= MAX_CODES:
        CODES.clear()
    code = secrets.token_urlsafe(16)
    person = {"sub": asked.get("login_hint", PERSON), "client_id": asked.get("client_id", "docs")}
    claims = person | {"scope": asked.get("scope", "")}
    CODES[code] = Grant(asked.get("code_challenge", ""), redirect, claims, time.monotonic() + CODE_SECONDS)
    answer = urlencode({"code": code, "state": asked.get("state", "")})
    return RedirectResponse(f"{redirect}{'&' if '?' in redirect else '?'}{answer}", 302)


async def give_token(request: Request) -> Response:
    """Give an access token for an authorization code or for the credentials of a client."""
    if request.method == "OPTIONS":
        return Response(headers=ANY_ORIGIN)
    form = dict(parse_qsl((await request.body()).decode("ascii", "replace")))
    match form.get("grant_type"):
        case "authorization_code":
            claims = claims_of_code(form)
        case "client_credentials":
            claims = claims_of_client(form, request.headers.get("authorization", ""))
        case _:
            return refusal("unsupported_grant_type", "grant_type is authorization_code or client_credentials.")
    if claims is None:
        return refusal("invalid_grant", "The code or the client is not known, or the code_verifier is wrong.")
    answer = {"access_token": token(issuer_of(request), claims), "token_type": "Bearer", "expires_in": SECONDS}
    return JSONResponse(answer | {"scope": claims["scope"]}, headers=ANY_ORIGIN)


def claims_of_code(form: dict[str, str]) -> dict[str, str] | None:
    """Return the claims of an authorization code, valid once; None for a wrong code, verifier or redirect."""
    grant = CODES.pop(form.get("code", ""), None)
    digest = sha256(form.get("code_verifier", "").encode()).digest()
    if grant is None or grant.ends < time.monotonic() or grant.redirect != form.get("redirect_uri"):
        return None
    return grant.claims if urlsafe_b64encode(digest).rstrip(b"=").decode() == grant.challenge else None


def claims_of_client(form: dict[str, str], authorization: str) -> dict[str, str] | None:
    """Return the claims of a client, whose secret is not checked; the token is for the form's `audience`."""
    name = form.get("client_id") or basic_name(authorization)
    own = {"sub": name, "client_id": name, "scope": form.get("scope", ""), "aud": form.get("audience", AUDIENCE)}
    return own if name else None


def basic_name(authorization: str) -> str:
    """Return the client's name in an HTTP Basic header, or an empty text without such a header."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return b64decode(encoded).decode().partition(":")[0]
    except ValueError:
        return ""


ROUTES: list[BaseRoute] = [
    Route("/.well-known/openid-configuration", discover),
    Route("/.well-known/jwks.json", show_keys),
    Route("/authorize", authorize),
    Route("/token", give_token, methods=["POST", "OPTIONS"]),
]
