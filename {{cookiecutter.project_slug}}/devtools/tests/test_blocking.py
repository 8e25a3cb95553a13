"""The step of `make lint` that looks for blocking calls finds them, and says when it cannot look."""

import sys
from pathlib import Path

import pytest

from devtools.blocking import ABSENT, main

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a program is a shell script here")


@pytest.mark.parametrize("program", [None, "no program", "#!/bin/sh\nexit 127\n"], ids=["absent", "foreign", "broken"])
def test_lint_goes_on_where_it_does_not_run(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], program: str | None
) -> None:
    if program:
        (tmp_path / "hydroid").write_text(program, encoding="utf-8")
        (tmp_path / "hydroid").chmod(0o755)

    assert main(tmp_path) == 0
    assert capfd.readouterr().out == ABSENT + "\n"


def test_its_findings_fail_the_step(tmp_path: Path) -> None:
    (tmp_path / "hydroid").write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    (tmp_path / "hydroid").chmod(0o755)

    assert main(tmp_path) == 1
