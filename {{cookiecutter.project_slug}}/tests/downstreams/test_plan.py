"""Concurrent calls to each downstream are part of the capacity plan, which `make capacity` prints."""

import json

import pytest

from app.settings.downstreams import DownstreamsSettings
from tests.capacity.test_command import printed


@pytest.mark.parametrize("name", DownstreamsSettings.model_fields)
def test_what_if_changes_the_calls_of_a_downstream(capsys: pytest.CaptureFixture[str], name: str) -> None:
    change = f"DOWNSTREAMS__{name.upper()}__MAX_CONCURRENT=3"
    plan = json.loads(printed(capsys, "--json", "--what-if", change))

    assert plan["downstreams"][name] == 3
