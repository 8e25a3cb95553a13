"""CORS in a real browser: a page of an allowed origin calls the API with its token, a page of another origin cannot."""

from pathlib import Path

import pytest
from fastapi import FastAPI, Response

from app.request.authenticated import needs
from tests.databases import make_settings
from tests.fakes import Fakes
from tests.http_client import build_app
from tests.serving import served
from tests.streams.browser import browser
from tests.tokens import answer_keys, bearer

pytestmark = pytest.mark.needs_program("chromium", "apt-get install chromium")

PUT = """
    fetch('%s/thing', {method: 'PUT', headers: {Authorization: '%s', 'If-Match': '"1"'}}).then(
        answer => [answer.status, answer.headers.get('etag'), answer.headers.get('x-secret')],
        error => error.name)
"""
"""JavaScript that sends a request with a preflight, and reads a header that CORS exposes and a header that it hides."""


async def test_a_page_needs_an_allowed_origin(shared_url: str, fakes: Fakes, tmp_path: Path) -> None:
    fakes["issuer"] = answer_keys
    calls = list[str]()
    async with served(FastAPI()) as allowed, served(FastAPI()) as foreign, browser(tmp_path) as page:
        app = build_app(make_settings(shared_url, cors_origins=allowed))

        @app.put("/thing", dependencies=[needs("things:write")])
        async def put(response: Response) -> None:
            calls.append("put")
            response.headers.update({"ETag": '"2"', "X-Secret": "hidden"})

        async with app.router.lifespan_context(app), served(app) as api:
            seen = []
            for origin in (allowed, foreign):
                await page.open(f"{origin}/openapi.json")  # any document of a server has the server's origin
                await page.until(f"location.origin == '{origin}' && document.readyState == 'complete'")
                seen.append(await page.evaluate(PUT % (api, bearer()["Authorization"])))

    assert seen == [[200, '"2"', None], "TypeError"]
    assert calls == ["put"]
    assert [one for one in page.complaints if "CORS" in one and "preflight" in one]
