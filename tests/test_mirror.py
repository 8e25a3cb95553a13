"""By a build argument, the image's packages come from a company's mirror, with the company's certificate authority.

A shell runs the lines of the Dockerfile here, with two paths of the image replaced. `make image` runs them in a
container.
"""

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.mirrors import Mirror, mirror, wheel
from tests.programs import find_uv, must, run
from tests.repository import SERVICE

PROJECT = '[project]\nname = "own"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["needed"]\n'
NOWHERE = {"HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1"}
"""Environment variables with which no package index but this machine's mirror can be reached."""

SETTINGS = {
    "the authority for pip": "PIP_CERT=/run/secrets/ca",
    "the authority for uv": "SSL_CERT_FILE=/run/secrets/ca",
    "the index for pip": "PIP_INDEX_URL=$INDEX_URL",
}
"""The settings in the lines of the Dockerfile, by what each is for; a build from a mirror needs each of these."""


def build_lines() -> tuple[str, dict[str, str]]:
    """Return the Dockerfile's command that installs the packages, and the variables of the build stage."""
    stage = (SERVICE / "Dockerfile").read_text().split("\nFROM ")[1]
    (command,) = re.findall(r"^RUN (?:--mount=\S+ )+\\\n(.+?[^\\])\n", stage, re.DOTALL | re.MULTILINE)
    return command, dict(
        re.findall(r"\b((?:UV|PYC)_\w+)=(\S+)", stage.partition("\nENV ")[2].partition("\nWORKDIR")[0])
    )


class Build:
    """A folder with a project that needs one package, which the lines of the Dockerfile install from a mirror."""

    def __init__(self, folder: Path, server: Mirror) -> None:
        self.folder, self.server = folder, server
        self.machine = folder / "machine"
        must([sys.executable, "-m", "venv", self.machine], folder)
        (folder / "pyproject.toml").write_text(PROJECT)

    def run(self, *, without: str = "", authority: bool = True, slash: str = "") -> CompletedProcess[str]:
        """Run the Dockerfile's lines, if asked without a setting or the certificate, or with a slash after the URL."""
        command, variables = build_lines()
        assert without in command
        secret = self.server.authority if authority else self.folder / "missing.pem"
        shutil.rmtree(self.folder / ".venv", ignore_errors=True)
        for left in self.machine.glob("lib/*/site-packages/uv-*"):
            shutil.rmtree(left)
        self.server.asked.clear()
        given = variables | {
            "INDEX_URL": self.server.address + slash,
            "EXTRAS": "",
            "UV_CACHE_DIR": str(self.folder / "cache"),
        }
        text = command.replace(without, "UNUSED=1" if without else "").replace("/run/secrets/ca", str(secret))
        shutil.rmtree(self.folder / "cache", ignore_errors=True)
        return run(["sh", "-c", text], self.folder, env=self.environment() | given)

    def environment(self) -> dict[str, str]:
        """Return an environment in which neither pip nor uv has settings."""
        own = {"HOME": str(self.folder), "PIP_CONFIG_FILE": "/dev/null", "UV_NO_CONFIG": "1"}
        once = {"PIP_RETRIES": "0", "UV_HTTP_RETRIES": "0"}
        return NOWHERE | own | once | {"PATH": f"{self.machine}/bin:/usr/bin:/bin"}


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    """Return a build from a mirror that has a single package, and a `uv` that runs this machine's uv."""
    program = f'#!/bin/sh\nexec {find_uv()} "$@"\n'
    packages = dict([wheel("uv", "0.13.8", {"scripts/uv": program}), wheel("needed", "1.0", {"needed.py": ""})])
    folder = tmp_path_factory.mktemp("mirror")
    with mirror(packages, folder) as server:
        made = Build(folder, server)
        lock = {"UV_DEFAULT_INDEX": server.address, "SSL_CERT_FILE": str(server.authority)}
        must([find_uv(), "lock", "--quiet"], folder, env=made.environment() | lock)
        yield made


def test_pip_and_uv_install_from_the_mirror_with_the_companys_authority(build: Build) -> None:
    done = build.run()
    asked = {(program, path.rpartition("/")[2]) for program, path in build.server.asked}

    assert done.returncode == 0, done.stderr
    assert {("pip", "uv-0.13.8-py3-none-any.whl"), ("uv", "needed-1.0-py3-none-any.whl")} <= asked
    assert [*build.folder.glob(".venv/lib/*/site-packages/needed.py")]


@pytest.mark.parametrize("setting", SETTINGS)
def test_without_a_setting_the_build_fails(build: Build, setting: str) -> None:
    assert build.run(without=SETTINGS[setting]).returncode != 0


def test_a_lock_of_another_index_is_refused(build: Build) -> None:
    """A lock file made for a different package index is refused.

    A build with a mirror installs only from the index that its command names; even a different slash is refused.
    """
    done = build.run(slash="/")

    assert done.returncode != 0
    assert "lockfile" in done.stderr
    assert build.run(slash="/", without="UV_DEFAULT_INDEX=$INDEX_URL").returncode == 0


def test_a_lock_that_does_not_match_the_project_is_refused(build: Build) -> None:
    project = build.folder / "pyproject.toml"
    project.write_text(PROJECT.replace('"needed"', '"needed>=1"'))
    done = build.run()
    project.write_text(PROJECT)

    assert done.returncode != 0
    assert "--locked" in done.stderr


def test_without_the_authority_the_build_fails_and_asks_for_nothing(build: Build) -> None:
    assert build.run(authority=False).returncode != 0
    assert build.server.asked == []
