"""The resources of an app are a frozen object: no request can replace a resource that other requests use."""

from dataclasses import FrozenInstanceError

import pytest
from fastapi import FastAPI

from app.resources import Resources


async def test_resources_are_frozen(committed_app: FastAPI) -> None:
    resources: Resources = committed_app.state.resources

    with pytest.raises(FrozenInstanceError):
        resources.engine = resources.engine  # type: ignore[misc] # the test makes this forbidden assignment
