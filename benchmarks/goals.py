"""What the service has to reach, as a table, and whether it does."""

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.results import Case, Results
from benchmarks.variants import BARE, OURS, TEXTBOOK


@dataclass(frozen=True, slots=True)
class Goal:
    """A ratio of ours to another program; set either bound."""

    case: Case
    value: str
    base: str
    at_most: float | None = None
    at_least: float | None = None


READ, READ_MANY = Case("read", 16), Case("read", 64)

GOALS = (
    Goal(READ, "cpu", TEXTBOOK, at_most=0.55),
    Goal(READ, "rate", TEXTBOOK, at_least=1.7),
    Goal(READ_MANY, "p99", TEXTBOOK, at_most=0.5),
    Goal(Case("list", 16), "cpu", TEXTBOOK, at_most=0.75),
    Goal(Case("create", 16), "rate", TEXTBOOK, at_least=1.5),
    Goal(Case("no database", 16), "rate", BARE, at_least=0.7),
)

STATEMENTS = {"read": 1, "list": 1, "create": 3, "order read": 1, "order create": 4}
MEMORY_MEGABYTES = 90.0
START_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """A goal, what was found, and whether that is good."""

    goal: str
    found: str
    reached: bool


def judge(results: Results) -> Iterator[Verdict]:
    """Yield a verdict for each goal that was measured."""
    for goal in GOALS:
        found = results.ratio(goal.case, OURS, goal.base, goal.value)
        if found is not None:
            yield _judge_ratio(goal, found)
    for workload, bound in STATEMENTS.items():
        count = results.statements.get((workload, OURS))
        if count is not None:
            yield Verdict(f"{workload}: statements at most {bound}", str(count), count <= bound)
    megabytes = results.memory[OURS]
    yield Verdict(
        f"memory of a worker at most {MEMORY_MEGABYTES:g} MB", f"{megabytes:.0f}", megabytes <= MEMORY_MEGABYTES
    )
    seconds = results.start_seconds
    yield Verdict(f"start to ready in less than {START_SECONDS:g} s", f"{seconds:.2f}", seconds < START_SECONDS)


def _judge_ratio(goal: Goal, found: float) -> Verdict:
    at_most = goal.at_most is not None and found <= goal.at_most
    at_least = goal.at_least is not None and found >= goal.at_least
    bound = f"at most {goal.at_most}" if goal.at_most is not None else f"at least {goal.at_least}"
    case = f"{goal.case.workload}, {goal.case.connections} clients"
    return Verdict(f"{case}: {goal.value} {bound} of {goal.base}", f"{found:.2f}", at_most or at_least)
