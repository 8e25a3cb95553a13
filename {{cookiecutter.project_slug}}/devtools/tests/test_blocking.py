"""The step of `make lint` fails when the linter hydroid finds a blocking call, and passes where hydroid is missing."""

import sys
from contextlib import chdir
from pathlib import Path

import pytest

from devtools.blocking import ABSENT, main

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the programs of these tests are shell scripts")


@pytest.mark.parametrize("program", [None, "no program", "#!/bin/sh\nexit 127\n"], ids=["absent", "foreign", "broken"])
def test_lint_goes_on_where_hydroid_does_not_run(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], program: str | None
) -> None:
    if program:
        (tmp_path / "hydroid").write_text(program, encoding="utf-8")
        (tmp_path / "hydroid").chmod(0o755)

    assert main(tmp_path) == 0
    assert capfd.readouterr().out == ABSENT + "\n"


def test_a_finding_of_hydroid_fails_the_step(tmp_path: Path) -> None:
    (tmp_path / "hydroid").write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    (tmp_path / "hydroid").chmod(0o755)

    assert main(tmp_path) == 1


def test_the_advice_is_that_of_this_service(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "app.py").write_text(BLOCKING, encoding="utf-8")
    with chdir(tmp_path):
        code = main(Path(sys.executable).parent)

    report = capfd.readouterr().out
    assert code == 1
    assert "call other services through `app/downstreams/` or hand the call to `OffloadDep`'s `blocking`" in report
    assert "to_thread" not in report
    assert "AsyncClient" not in report


BLOCKING = """
import hashlib, sqlite3, subprocess, urllib.request
from fastapi import FastAPI
app = FastAPI()
@app.get("/")
async def block() -> None:
    urllib.request.urlopen("http://x")
    open("x").read()
    sqlite3.connect("x")
    subprocess.run(["x"])
"""
