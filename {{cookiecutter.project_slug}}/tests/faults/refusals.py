"""The ratio of refusals, for tests on a busy machine, which fills the queue of any pool when it pauses for a second."""

from tests.faults.clients import Answers

MOST_REFUSED = 0.1
"""The bound on the ratio of 503 to all responses, for requests that a fault elsewhere must not refuse. Without a
connection quota, more than half of the requests would be refused."""


def refused_ratio(answers: Answers) -> float:
    """Return the number of 503 responses divided by the number of all responses, from 0 to 1."""
    return len(answers.of(503)) / max(1, answers.count)
