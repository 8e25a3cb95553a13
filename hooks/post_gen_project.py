"""Remove what the answers dropped, remember the template's commit in `.cruft.json`, then say what to do next.

Cookiecutter renders this file and runs it with its own interpreter inside the new service. An option is a row of the
table: whole files and folders, nothing else. A second run finds nothing to remove and changes nothing.
"""

import json
import re
import shutil
import subprocess
from pathlib import Path

ANSWERS: dict[str, str] = json.loads(
    r"""{{ {"example": cookiecutter.example, "proofs": cookiecutter.proofs, "ci": cookiecutter.ci,
    "http_client": cookiecutter.http_client, "jobs": cookiecutter.jobs, "licence": cookiecutter.licence,
    "slug": cookiecutter.project_slug} | tojson }}"""
)

CONTEXT: dict[str, str | None] = json.loads(r"""{{ cookiecutter | tojson }}""")
"""The answers, and with a leading underscore the configuration of the template and the addresses of this run."""

TEMPLATE = Path(json.loads(r""" {{ template_folder | tojson }} """))
"""The template's folder: the person's own, or the clone that cookiecutter made of an address."""

DROPPED = {
    ("example", "plain"): (
        "app/products",
        "app/work/process.py",
        "app/work/process_child.py",
        "app/work/processes.py",
        "migrations/versions/0004_products.py",
        "tests/computed_functions.py",
        "tests/process_ids.py",
        "tests/products",
        "tests/work/test_pickling.py",
        "tests/work/test_process.py",
    ),
    ("example", "no"): (
        "app/orders",
        "app/products",
        "app/work/gather.py",
        "app/work/process.py",
        "app/work/process_child.py",
        "app/work/processes.py",
        "devtools/confirmations_stub.py",
        "devtools/rates_stub.py",
        "devtools/tests/test_rates_stub.py",
        "migrations/versions/0003_orders.py",
        "migrations/versions/0004_products.py",
        "tests/computed_functions.py",
        "tests/faults/test_malformed_orders.py",
        "tests/faults/test_nested_timeouts.py",
        "tests/orders",
        "tests/process_ids.py",
        "tests/products",
        "tests/streams/browser.py",
        "tests/streams/test_page.py",
        "tests/work/test_gather.py",
        "tests/work/test_pickling.py",
        "tests/work/test_process.py",
    ),
    ("proofs", "no"): (
        "devtools/capacity/chart.py",
        "devtools/capacity/points.py",
        "devtools/drawing",
        "devtools/load",
        "devtools/tests",
        "tests/capacity",
        "tests/database/test_compiled.py",
        "tests/database/test_connection.py",
        "tests/database/test_connection_quota.py",
        "tests/database/test_direct_reads.py",
        "tests/orders/test_greenlets.py",
        "tests/database/test_driver.py",
        "tests/database/test_pool.py",
        "tests/database/test_pool_bounds.py",
        "tests/database/test_entities.py",
        "tests/database/test_reader.py",
        "tests/database/test_statements.py",
        "tests/database/test_tls.py",
        "tests/downstreams",
        "tests/faults",
        "tests/heartbeat.py",
        "tests/computed_functions.py",
        "tests/offloaded_functions.py",
        "tests/limits",
        "tests/captured_log.py",
        "tests/observability",
        "tests/orders/test_prices.py",
        "tests/orders/test_shipped.py",
        "tests/orders/test_stuck.py",
        "tests/pgbouncer",
        "tests/process_ids.py",
        "tests/products/test_loop.py",
        "tests/readiness",
        "tests/request",
        "tests/server/test_background.py",
        "tests/server/test_balance.py",
        "tests/server/test_contract.py",
        "tests/server/test_protocol.py",
        "tests/server/test_start.py",
        "tests/server/peer_app.py",
        "tests/server/background_work_app.py",
        "tests/streams/browser.py",
        "tests/streams/busy_counters_app.py",
        "tests/streams/counters_app.py",
        "tests/streams/short_counters_app.py",
        "tests/streams/slow_counters_app.py",
        "tests/streams/test_page.py",
        "tests/test_fault_report.py",
        "tests/test_phases.py",
        "tests/test_session_state.py",
        "tests/test_programs.py",
        "tests/test_wall_clock.py",
        "tests/web/test_deadline_in_database.py",
        "tests/web/test_access_log.py",
        "tests/web/test_database_errors.py",
        "tests/web/test_admission.py",
        "tests/web/test_middleware.py",
        "tests/web/test_deadline.py",
        "tests/web/test_lingering_close.py",
        "tests/web/test_read_ahead.py",
        "tests/web/test_trust.py",
        "tests/web/deadline_app.py",
        "tests/work",
    ),
    ("jobs", "no"): (
        "app/capacity/job_worker.py",
        "app/jobs",
        "app/orders/imports.py",
        "app/orders/jobs.py",
        "app/request/principal.py",
        "app/settings/jobs.py",
        "app/settings/streams.py",
        "app/streams",
        "devtools/confirmations_stub.py",
        "migrations/versions/0005_jobs.py",
        "tests/faults/ablated/job_replacements.py",
        "tests/faults/ablated/stream_replacements.py",
        "tests/faults/defences/jobs.py",
        "ops/runbooks/JobsLate.md",
        "tests/faults/job_kinds.py",
        "tests/faults/job_workers.py",
        "tests/faults/job_writer.py",
        "tests/faults/test_job_transactions.py",
        "tests/faults/test_job_workers.py",
        "tests/faults/test_jobs.py",
        "tests/jobs",
        "tests/orders/test_imports.py",
        "tests/pgbouncer/test_notifications.py",
        "tests/faults/defences/streams.py",
        "tests/faults/test_stream_bounds.py",
        "tests/faults/test_stream_queues.py",
        "tests/faults/test_stream_restarts.py",
        "tests/streams",
    ),
    ("ci", "github"): (".gitlab-ci.yml",),
    ("ci", "gitlab"): (".github",),
    ("ci", "none"): (".github", ".gitlab-ci.yml"),
    ("http_client", "httpx"): ("app/downstreams/resolver.py", "tests/downstreams/test_resolver.py"),
    ("http_client", "httpx2"): ("app/downstreams/transport.py",),
    ("http_client", "none"): (
        "app/downstreams",
        "app/settings/downstreams.py",
        "devtools/scaffold/downstream.toml",
        "ops/runbooks/BreakerOpen.md",
        "tests/downstreams",
        "tests/fakes.py",
        "tests/faults/clock",
        "tests/faults/clock_client.py",
        "tests/faults/downstream_app.py",
        "tests/faults/faulty_downstream.py",
        "tests/faults/test_bad_downstreams.py",
        "tests/faults/test_clock_jumps.py",
        "tests/faults/test_downstream_calls.py",
        "tests/request/test_held_connections.py",
        "tests/settings/test_downstreams.py",
        "tests/test_lifespan_of_downstreams.py",
    ),
}
"""Paths by the answer that drops them."""


LEFTOVERS = (".devtools", ".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache", "__pycache__")
"""What tools left in the template's own folder while somebody worked on it; cookiecutter copies it like the rest."""


def remove(path: Path) -> None:
    """Delete a file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def git(*arguments: str) -> str:
    """Return what git says about the template, or nothing: git or the origin may be missing."""
    program = shutil.which("git")
    if program is None:
        return ""
    done = subprocess.run([program, *arguments], cwd=TEMPLATE, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def remember_the_template() -> None:
    """Write `.cruft.json`, by which `make template` and cruft update the service.

    cruft hands in `_commit` and writes the file itself. A folder without a `.git` of its own, as of a zip file, has no
    commit; a repository further up is about something else.
    """
    if "_commit" in CONTEXT or not (TEMPLATE / ".git").exists():
        return
    commit = git("rev-parse", "--verify", "HEAD")
    own = CONTEXT["_template"] == CONTEXT.get("_repo_dir")
    # of a clone, the address that an abbreviation such as `gh:` stood for, without a password
    address = str(TEMPLATE) if own else re.sub(r"^(https?://)[^/@]*@", r"\1", git("remote", "get-url", "origin"))
    if commit and address:
        answers = {question: answer for question, answer in CONTEXT.items() if not question.startswith("_")}
        known = {"template": address, "commit": commit, "checkout": None, "context": {"cookiecutter": answers}}
        text = json.dumps(known | {"directory": None}, ensure_ascii=False, indent=2, sort_keys=True)
        Path(".cruft.json").write_text(text + "\n", encoding="utf-8", newline="\n")


def main() -> None:
    """Apply the table to the current folder."""
    for answer in ANSWERS.items():
        for name in DROPPED.get(answer, ()):
            remove(Path(name))
    for name in LEFTOVERS:
        for path in sorted(Path().rglob(name)):
            remove(path)
    remember_the_template()
    slug = ANSWERS.pop("slug")
    print("Generated with", " ".join(f"{question}={answer}" for question, answer in ANSWERS.items()))
    print(f"cd {slug}   # the new service")
    print("git init   # unless the folder is in a repository already")
    print("make setup   # install its packages and write uv.lock")
    print("git add --all && git commit --message 'A new service'   # updates of the template need a first commit")
    print("uv tool run pre-commit install   # check each commit, if you like; it needs uv in your PATH")
    print("make run   # serve it on this machine, with a PostgreSQL of its own")


if __name__ == "__main__":
    main()
