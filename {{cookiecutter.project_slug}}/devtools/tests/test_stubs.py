"""The stubs of downstreams are found by their file names, and inject the faults that a developer sets."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from time import monotonic

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from devtools import stubs
from devtools.probe import probe


def test_a_module_is_a_stub_by_its_name(tmp_path: Path) -> None:
    for name in ("mail_stub.py", "billing_stub.py", "stubs.py", "run.py"):
        (tmp_path / name).touch()

    assert stubs.names(tmp_path) == ["billing", "mail"]


def test_a_service_without_downstreams_has_no_stubs(tmp_path: Path) -> None:
    assert stubs.names(tmp_path) == []
    assert stubs.build_app([]).routes == []


def test_the_service_finds_a_stub_by_a_variable() -> None:
    assert stubs.variable("billing") == "DOWNSTREAMS__BILLING__BASE_URL"


@pytest.fixture
def stub() -> Iterator[int]:
    """The port of a stub for a downstream `mail`, which answers 200 until it has a fault."""
    mail = Starlette(routes=[Route("/mail/", lambda _request: Response("sent"))])
    server = uvicorn.Server(uvicorn.Config(stubs.Faults(mail, ["mail"]), log_level="critical"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join()


def set_fault(port: int, fault: str, media_type: str = "application/json") -> int:
    body = json.dumps({"mail": fault})
    return probe(f"http://127.0.0.1:{port}", stubs.FAULTS_PATH, body, {"Content-Type": media_type})[0]


def test_a_stub_has_the_fault_that_a_person_sets(stub: int) -> None:
    base = f"http://127.0.0.1:{stub}"
    answers = {}
    for fault in stubs.FAULTS:
        assert set_fault(stub, fault) == 200
        begun = monotonic()
        answers[fault] = probe(base, "/mail/", seconds=stubs.SLOW_SECONDS / 2)
        if fault == "slow":
            answers[fault] = probe(base, "/mail/", seconds=60)
            assert monotonic() - begun >= stubs.SLOW_SECONDS

    assert (answers["off"], answers["slow"]) == ((200, "sent"), (200, "sent"))
    assert answers["500"][0] == 500
    assert answers["hang"] == (0, "timed out")
    assert "reset by peer" in answers["reset"][1]
    assert probe(base, stubs.FAULTS_PATH) == (200, '{"mail":"reset"}')


def test_a_page_of_a_different_site_and_an_unknown_fault_set_nothing(stub: int) -> None:
    """A stub takes a fault as JSON only, which a browser sends for pages of other sites only with permission (CORS)."""
    refused = [set_fault(stub, "hang", "text/plain"), set_fault(stub, "burn")]

    assert refused == [422, 422]
    assert probe(f"http://127.0.0.1:{stub}", "/mail/") == (200, "sent")
