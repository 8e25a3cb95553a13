"""The page `/dev/jobs` for development: imports a file by a job, shows changes of jobs, cancels and retries jobs."""

from pathlib import Path
from secrets import token_urlsafe

from fastapi.responses import HTMLResponse  # {%- if cookiecutter.auth == "jwt" +%}

from app.request.authenticated import ACCESS_TOKEN  # {%- endif +%}

PATH = "/dev/jobs"
PAGE = Path(__file__).with_name("page.html").read_text("utf-8")

POLICY = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self' {issuer}; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy of the page `/dev/jobs`: allows only the page's own script and style, and requests to
this service and to the issuer of tokens."""


async def show_page() -> HTMLResponse:
    """Return the page `/dev/jobs`, with a new nonce in each response."""
    nonce, page, issuer = token_urlsafe(16), PAGE, ""
    # {% if cookiecutter.auth == "jwt" %}
    issuer = ACCESS_TOKEN.flow.tokenUrl
    page = page.replace("TOKEN_URL", issuer).replace("SCOPES", " ".join(sorted(ACCESS_TOKEN.scopes)))
    # {% endif %}
    headers = {"Content-Security-Policy": POLICY.format(nonce=nonce, issuer=issuer), "Cache-Control": "no-store"}
    return HTMLResponse(page.replace("NONCE", nonce), headers=headers)
