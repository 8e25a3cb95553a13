"""Experiment `sessions`: concurrent tasks that share an SQLAlchemy session, or have a session each."""

from drawing.tables import Table
from lab import plots
from lab.client import Answer, series
from lab.experiment import ASYNC, BLOCKING, Experiment, Finding, Setting, milliseconds

NAMES = {
    "new": "shared, has to connect",
    "used": "shared, is connected",
    "failing": "shared, and one task fails",
    "own": "a session for each task",
}
OK = "ok"
STATEMENT_SECONDS = 0.05


def measure(address: str, kind: str) -> Answer:
    """Return the answer to a request with three tasks; the body has the outcome of each task."""
    series(address, "/session/own", 1)  # opens the database connections before the measurement
    return series(address, f"/session/{kind}", 1)[0]


def run(setting: Setting) -> Finding:
    """Measure four ways to give sessions to tasks, and draw the two ways in which all three tasks succeed."""
    found = {}
    for kind, name in NAMES.items():
        found[kind] = measure(setting.address, kind)
        setting.note(f"{name}: {found[kind].body.count(OK)} of 3 tasks got an answer")
    rows = [
        [name, milliseconds(found[kind].seconds), str(found[kind].body.count(OK)), errors(found[kind])]
        for kind, name in NAMES.items()
    ]
    answers = {kind: answer.body.count(OK) for kind, answer in found.items()}
    sentence = (
        f"When the shared session had to connect, {answers['new']} of 3 tasks got an answer. When it was connected, "
        f"{answers['used']} did, one after the other, in {milliseconds(found['used'].seconds)}. When one task made an "
        f"error, {answers['failing']} did. With a session for each task, {answers['own']} did, in "
        f"{milliseconds(found['own'].seconds)}."
    )
    bars = [(BLOCKING, NAMES["used"], found["used"].seconds), (ASYNC, NAMES["own"], found["own"].seconds)]
    return Finding(
        sentence,
        Table("Three tasks, each with a statement of 50 ms", ["session", "took", "answers", "errors"], rows),
        [plots.times(f"Three statements of {milliseconds(STATEMENT_SECONDS)}", bars)],
    )


def errors(answer: Answer) -> str:
    """Return the distinct errors of the tasks, without the link to SQLAlchemy's explanation."""
    found = dict.fromkeys(outcome.partition(" (Background")[0] for outcome in answer.body if outcome != OK)
    return "; ".join(found) or "none"


EXPERIMENT = Experiment(
    name="sessions",
    title="One session, three tasks",
    expect=(
        "An AsyncSession is one connection and one transaction, made for one task. Given to `asyncio.gather`, a "
        "session that has to open its connection refuses all but the first task. When the pool has an open connection "
        "the statements queue for it: nothing fails and nothing is gained, which is why it passes a review and a test. "
        "And the transaction is shared too: one task's error spoils the statements of all tasks. With a session for "
        "each task they run together."
    ),
    difference=(
        "An error with another text comes from another version of SQLAlchemy. If a shared session were as fast as a "
        "session for each task, it would not be one connection."
    ),
    run=run,
    database=True,
)
