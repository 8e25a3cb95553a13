"""The service, but the issuer's keys are fetched again after 0.5 s, not 300 s; tests run the app under gunicorn."""

from app.auth import keys
from app.main import create_app
from app.request.authenticated import PrincipalDep
from app.settings.load import load_settings

keys.FRESH_SECONDS, keys.COOL_DOWN_SECONDS = 0.5, 0.1

app = create_app(load_settings())


@app.get("/me")
async def show(principal: PrincipalDep) -> str:
    """Return the subject of the request's access token."""
    return principal.subject
