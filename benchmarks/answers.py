"""Check that all programs answer the same before anything is measured."""

from typing import Any

import httpx

from benchmarks.servers import Server
from benchmarks.workloads import Workload

EXAMPLE_ID = 7


class DifferentAnswers(Exception):
    """Two programs do not do the same work."""


def check(servers: dict[str, Server], workload: Workload) -> None:
    """Compare everybody's answer to one request.

    Raises:
        DifferentAnswers: with both.
    """
    answers = {variant.name: ask(servers[variant.name], workload) for variant in workload.variants}
    expected = next(iter(answers.values()))
    for name, answer in answers.items():
        if answer != expected:
            raise DifferentAnswers(f"{workload.name}: {next(iter(answers))} answers {expected}, {name} {answer}")


def ask(server: Server, workload: Workload) -> tuple[int, Any]:
    """Return the status and the content without what is made up on each call."""
    headers = {"Content-Type": "application/json"} if workload.body else {}
    path = workload.path.replace("{id}", str(EXAMPLE_ID))
    answer = httpx.request(workload.method, server.url + path, content=workload.body, headers=headers, trust_env=False)
    content = answer.json()
    return answer.status_code, {key: value for key, value in content.items() if key not in workload.made_up}
