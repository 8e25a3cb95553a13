"""`Resources.semaphores` has each downstream's bulkhead by name, for an operator who looks for semaphores."""

from fastapi import FastAPI

from app.resources import Resources


async def test_each_downstream_has_its_semaphore_among_the_resources(committed_app: FastAPI) -> None:
    resources: Resources = committed_app.state.resources

    assert resources.semaphores == {name: found.bulkhead for name, found in resources.downstreams.items()}
