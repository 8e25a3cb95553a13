"""Checks that the service and the baselines answer a request alike, without which a comparison would not be fair."""

from typing import Any

import httpx

from benchmarks.servers import Server
from benchmarks.workloads import Workload

EXAMPLE_ID = 7


class DifferentAnswers(Exception):
    """Two compared programs give different answers to a request, so their costs cannot be compared."""


def check(servers: dict[str, Server], workload: Workload) -> None:
    """Compare the answers of all compared programs to the same request.

    Raises:
        DifferentAnswers: two answers differ; the message has both.
    """
    answers = {variant.name: ask(servers[variant.name], workload) for variant in workload.variants}
    expected = next(iter(answers.values()))
    for name, answer in answers.items():
        if answer != expected:
            raise DifferentAnswers(f"{workload.name}: {next(iter(answers))} answers {expected}, {name} {answer}")


def ask(server: Server, workload: Workload) -> tuple[int, Any]:
    """Send a request to a program, and return status and content without the fields that differ in each response."""
    headers = {"Content-Type": "application/json"} if workload.body else {}
    path = workload.path.replace("{id}", str(EXAMPLE_ID))
    answer = httpx.request(workload.method, server.url + path, content=workload.body, headers=headers, trust_env=False)
    content = answer.json()
    return answer.status_code, {key: value for key, value in content.items() if key not in workload.generated_fields}
