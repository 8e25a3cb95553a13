"""The stubs of downstreams are found by file names, and a service without downstreams needs no stub."""

from pathlib import Path

from devtools import stubs


def test_a_module_is_a_stub_by_its_name(tmp_path: Path) -> None:
    for name in ("mail_stub.py", "billing_stub.py", "stubs.py", "run.py"):
        (tmp_path / name).touch()

    assert stubs.names(tmp_path) == ["billing", "mail"]


def test_a_service_without_downstreams_has_no_stubs(tmp_path: Path) -> None:
    assert stubs.names(tmp_path) == []
    assert stubs.build_app([]).routes == []


def test_the_service_finds_a_stub_by_a_variable() -> None:
    assert stubs.variable("billing") == "DOWNSTREAMS__BILLING__BASE_URL"
