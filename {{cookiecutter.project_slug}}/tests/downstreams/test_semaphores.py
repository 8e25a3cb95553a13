"""`Resources.semaphores` maps each downstream's name to the bulkhead (semaphore) that bounds concurrent calls."""

from fastapi import FastAPI

from app.resources import Resources


async def test_each_downstream_has_its_semaphore_among_the_resources(committed_app: FastAPI) -> None:
    resources: Resources = committed_app.state.resources

    assert resources.semaphores == {name: found.bulkhead for name, found in resources.downstreams.items()}
