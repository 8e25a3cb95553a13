"""The patterns of docs/patterns.md work when copied as the page says: under a new package name, with few packages."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fasteners import InterProcessLock

from tests.booted import database
from tests.conftest import WORKSHOP
from tests.documents import find
from tests.patterns import ANSWERS, EXAMPLES, LISTED, NEW_NAME, Pattern, copy, patterns, try_out, updated
from tests.repository import render

PROMISES = {
    "admission": ("app/web/admission.py", "await bulkhead.enter()", "bulkhead.try_enter()"),
    "architecture": ("tests/architecture.py", "{module.replace('.', '/')}.py:{line}: ", ""),
    "background": ("app/work/background.py", "if await committed:", "if True:"),
    "blocking": ("tests/blocking.py", "buster.activate()", "pass"),
    "body_limit": ("app/web/body_limit.py", "if received > limit:", "if False:"),
    "bulkhead": ("app/limits/bulkhead.py", "len(self._queue) >= self.max_queue or ", ""),
    "conditional": ("app/http_caching/conditional.py", "raise HTTPException(412", "HTTPException(412"),
    "commit_first": ("example.py", ', scope="function"', ""),
    "deadline": (
        "app/web/deadline.py",
        "asyncio.ensure_future(answer(self._scope, self._receive, self._send))",
        "None",
    ),
    "downstream": ("app/downstreams/attempts.py", "settings.max_attempts if retryable else 1", "settings.max_attempts"),
    "drain": ("app/server/drain.py", "and monotonic() >= (self.drains_until or 0.0)", ""),
    "embedded_postgres": ("devtools/postgres.py", "                    cluster.start()", "                    pass"),
    "fair_pool": ("app/database/pool.py", "await_(quota.enter())", "pass"),
    "gather": ("app/work/gather.py", "    except ServiceError as error:", "    except ZeroDivisionError as error:"),
    "idempotency": ("app/idempotency/request.py", "await self._store(", "({}.get)("),
    "keyset": ("example.py", ".where(orders.c.id < first[-1])", ".offset(2)"),
    "lifespan": ("example.py", 'stack.push_async_callback(close, "engine")', "pass"),
    "lingering_close": ("app/web/lingering_close.py", "await request.read_on(self.seconds)", "pass"),
    "log_writer": ("app/observability/writer.py", "self.lost += 1", "pass"),
    "logs": ("app/observability/rendering.py", 'event["request_id"] = value', "pass"),
    "loop_monitor": ("app/observability/loop_monitor.py", "if late >= self.stall_seconds:", "if late >= 60:"),
    "migration_lock": ("migrations/turn.py", "while not connection.scalar(", "if not connection.scalar("),
    "money": ("example.py", "decimal_places=2, ", ""),
    "offload": (
        "app/work/offload.py",
        "to_thread.run_sync(function, *args, limiter=self._limiter)",
        "asyncio.sleep(0, function(*args))",
    ),
    "outbox": ("example.py", "UPDATE outbox SET due = now() + interval '0.1 s'", "DELETE FROM outbox"),
    "plan": (
        "app/capacity/plan.py",
        "processes = workers * (settings.replicas + surge_replicas(settings))",
        "processes = workers",
    ),
    "processes": (
        "app/work/processes.py",
        "self._waiting.start(worker_process.call, self.timeout_seconds, function, *args)",
        "self._waiting.start(function, *args)",
    ),
    "problems": ("app/web/problem.py", "media_type=MEDIA_TYPE", 'media_type="application/json"'),
    "rate_limits": ("app/rate_limits/limiter.py", "return self._local.take(key, policy)", "return Count(1, 0)"),
    "read_only": ("example.py", '"default_transaction_read_only": "on"', '"default_transaction_read_only": "off"'),
    "readiness": ("app/readiness/schema.py", "if not self.known.issuperset(found):", "if True:"),
    "reader": (
        "app/database/reader.py",
        "with self._engine.connect() as connection:",
        "if connection := self._engine.connect():",
    ),
    "response_cache": (
        "app/http_caching/response_cache.py",
        "if age < self.seconds + self.stale_seconds:",
        "if False:",
    ),
    "settings": ("app/settings/environment.py", 'yield f"  {variable}: {reason}{purpose}"', 'yield f"  {reason}"'),
    "snapshot": ("example.py", '"REPEATABLE READ"', '"READ COMMITTED"'),
    "streams": (
        "app/streams/honest.py",
        'ServerSentEvent(event=ERROR, data={"code": error.code, "detail": error.detail})',
        "ServerSentEvent(event=COMPLETE, data={})",
    ),
    "two_lanes": ("example.py", ', join_transaction_mode="create_savepoint"', ""),
    "two_transactions": ("example.py", "    await together.wait()", "        await together.wait()"),
    "write_sessions": (
        "app/database/connection.py",
        '"default_transaction_read_only": "on"',
        '"default_transaction_read_only": "off"',
    ),
}
"""For each pattern: the file, a line that keeps the promise, and a replacement with which the example must fail."""

MAX_LINES = 30
MAX_FILES = 20
CLOSURES = {
    "problems": 2,
    "deadline": 4,
    "admission": 7,
    "drain": 1,
    "loop_monitor": 3,
    "idempotency": 4,
    "downstream": 17,
}
"""The most files that some patterns may need, if fewer than MAX_FILES: these patterns are copied most often."""


@pytest.fixture(scope="module")
def url(service: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the URL of a throwaway PostgreSQL, with SQLAlchemy's driver name."""
    with database(service("client_bare"), tmp_path_factory.mktemp("logs")) as found:
        yield found.replace("postgresql:", "postgresql+asyncpg:")


@pytest.fixture(scope="module")
def shelf(template: Path) -> Path:
    """Return the service from which patterns are copied: rendered once for all test lanes, and not installed."""
    place = Path(os.environ[WORKSHOP]) / "patterns"
    with InterProcessLock(f"{place}.lock"):
        if not (place / "made").exists():
            (place / "made").write_text(str(render(template, place, ANSWERS)))
    return Path((place / "made").read_text())


@pytest.fixture
def pattern(shelf: Path, request: pytest.FixtureRequest) -> Pattern:
    """Return the pattern that the test's parameter names."""
    return Pattern(EXAMPLES / f"{request.param}.py", shelf)


EVERY_PATTERN = pytest.mark.parametrize("pattern", sorted(PROMISES), indirect=True)


def test_every_example_is_on_the_page_and_has_a_promise() -> None:
    names = sorted(path.stem for path in EXAMPLES.glob("*.py"))

    assert sorted(LISTED.findall(find("docs/patterns.md").text)) == names == sorted(PROMISES)


def test_each_example_is_followed_by_what_a_person_has_to_change() -> None:
    sections = re.split(r"^(?=## )", find("docs/patterns.md").text, flags=re.MULTILINE)

    assert [
        text.splitlines()[0] for text in sections if LISTED.search(text) and text.count("\n\n**Your part:**") != 1
    ] == []


def test_the_lists_of_the_page_are_those_of_the_syntax_trees(shelf: Path) -> None:
    """The lists of files on the page are up to date; `python -m tests.patterns` updates the lists."""
    text = find("docs/patterns.md").text

    assert updated(text, patterns(shelf)) == text


@EVERY_PATTERN
def test_an_example_is_short_and_needs_few_files(pattern: Pattern) -> None:
    assert len(pattern.example.read_text("utf-8").splitlines()) <= MAX_LINES
    assert len(pattern.files) <= CLOSURES.get(pattern.name, MAX_FILES)


@EVERY_PATTERN
def test_a_copied_pattern_keeps_its_promise(pattern: Pattern, tmp_path: Path, url: str) -> None:
    copy(pattern, tmp_path)

    done = try_out(pattern, tmp_path, DATABASE_URL=url)

    assert done.returncode == 0, done.stdout + done.stderr
    assert unused(tmp_path) == []


def unused(project: Path) -> list[Path]:
    """Return the copied files that Python has not compiled, which the example therefore does not need."""
    compiled = {path.parents[1] / path.name.partition(".")[0] for path in project.rglob("__pycache__/*.pyc")}
    return [
        path for path in project.rglob("*.py") if path.name != "example.py" and path.with_suffix("") not in compiled
    ]


@EVERY_PATTERN
def test_without_the_promised_line_the_example_fails(pattern: Pattern, tmp_path: Path, url: str) -> None:
    """The example fails because of the missing line only: no file is missing, and the code still compiles."""
    name, line, instead = PROMISES[pattern.name]
    copy(pattern, tmp_path)
    file = tmp_path / name.replace("app/", f"{NEW_NAME}/")
    source = file.read_text("utf-8")
    assert source.count(line) == 1
    file.write_text(source.replace(line, instead), "utf-8")

    done = try_out(pattern, tmp_path, DATABASE_URL=url)

    assert done.returncode != 0, done.stdout + done.stderr
    assert not {"ImportError", "ModuleNotFoundError", "NameError", "SyntaxError", "IndentationError"} & set(
        done.stderr.replace(":", " ").split()
    )


@pytest.mark.parametrize("pattern", ["bulkhead", "problems"], indirect=True)
def test_without_one_of_its_files_a_pattern_does_not_even_start(pattern: Pattern, tmp_path: Path) -> None:
    for number, name in enumerate(pattern.files):
        project = tmp_path / str(number)
        project.mkdir()
        copy(pattern, project, without=name)

        assert "ModuleNotFoundError" in try_out(pattern, project).stderr
