"""Boots a generated service like a container of the image: with the image's files and packages only, under gunicorn."""

import json
import re
import shutil
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.programs import Program, background, environment, find_uv, free_port, must

HOLD = "import os, sys; print(os.environ['DATABASE_URL'], flush=True); sys.stdin.read()"
"""A program that runs the embedded PostgreSQL while its standard input is open, and prints the database's URL."""


@dataclass(frozen=True)
class Booted:
    """A running service that answers requests."""

    gunicorn: Program
    client: httpx.Client


def copied_by_the_image(dockerfile: str) -> list[str]:
    """Return the files and folders that a Dockerfile's last stage copies from the project."""
    last = dockerfile.rsplit("\nFROM ", maxsplit=1)[-1]
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", last, re.MULTILINE)
    return [name for names in copied for name in names.split()]


def lay_out_image(service: Path, target: Path) -> Path:
    """Copy the files that the image would contain into a folder, without the packages."""
    for name in copied_by_the_image((service / "Dockerfile").read_text()):
        source = service / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)
    return target


def image_command(service: Path) -> list[str]:
    """Return the command that a container of the service's image runs."""
    command: list[str] = json.loads((service / "Dockerfile").read_text().rpartition("\nCMD ")[2])
    return command


def install_image_packages(service: Path, target: Path, tools: Sequence[str] = ()) -> Path:
    """Install the image's packages and some development tools into a new environment, and return the programs' folder.

    The development environment has more packages, which the service would use if it found them.
    """
    own = environment({"UV_PROJECT_ENVIRONMENT": str(target)})
    must([find_uv(), "sync", "--quiet", "--locked", "--no-dev"], service, env=own)
    if tools:
        dev = tomllib.loads((service / "pyproject.toml").read_text())["dependency-groups"]["dev"]
        wanted = [line for line in dev if re.split(r"[<>=;]", line)[0] in tools]
        must([find_uv(), "pip", "install", "--quiet", "--python", target / "bin/python", *wanted], service)
    return target / "bin"


def image_environment(programs: Path, **variables: str) -> dict[str, str]:
    """Return the environment variables of a container that runs the service's image."""
    clean = environment()
    return clean | {"PATH": f"{programs}:{clean['PATH']}", "PYTHONDONTWRITEBYTECODE": "1"} | variables


@contextmanager
def database(service: Path, logs: Path) -> Iterator[str]:
    """Yield the URL of a PostgreSQL database that the service's own tools run."""
    command = [str(service / ".venv/bin/python"), "-m", "devtools.postgres", "python", "-c", HOLD]
    with background(command, service, environment(), logs / "database.log") as holder:
        yield holder.line("postgres")
        if holder.process.stdin:
            holder.process.stdin.close()
        holder.process.wait(30)


@contextmanager
def stub_downstreams(service: Path, logs: Path) -> Iterator[str]:
    """Run the stubs of a service's downstreams, and yield their base URL."""
    command = [str(service / ".venv/bin/python"), "-m", "devtools.stubs", "--port", "0"]
    with background(command, service, environment(), logs / "stubs.log") as stubs:
        yield stubs.line("stubs of").split()[-1]


@contextmanager
def booted(service: Path, logs: Path) -> Iterator[Booted]:
    """Migrate and serve with two workers, by the commands of the image, and yield the service once ready."""
    image = lay_out_image(service, logs / "image")
    with database(service, logs) as url, stub_downstreams(service, logs) as stubs:
        port = free_port()
        variables = image_environment(
            install_image_packages(service, logs / "packages"),
            DATABASE_URL=url,
            DOWNSTREAMS__RATES__BASE_URL=f"{stubs}/rates",
            ENVIRONMENT="development",
            API_DOCS="true",
            PORT=str(port),
            WEB_CONCURRENCY="2",
        )
        must(["alembic", "upgrade", "head"], image, env=variables)
        with (
            background(image_command(service), image, variables, logs / "gunicorn.log") as gunicorn,
            httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
        ):
            gunicorn.wait_for(lambda: gunicorn.output().count('"event":"application started"') == 2 or None)
            gunicorn.wait_for(lambda: is_ready(client))
            yield Booted(gunicorn, client)


def is_ready(client: httpx.Client) -> bool | None:
    """Return True if a worker of the service reports readiness, else None."""
    try:
        return True if client.get("/health/ready").status_code == 200 else None
    except httpx.TransportError:
        return None
