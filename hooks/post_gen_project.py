"""Removes the files that the answers drop, stores the template's commit in `.cruft.json`, and prints what to do next.

Cookiecutter renders this file and runs it with its own interpreter inside the new service. An answer that drops
something is a row of a table: whole files and folders, nothing else. A second run finds nothing to remove and changes
nothing.
"""

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

ANSWERS: dict[str, str] = json.loads(
    r"""{{ {"example": cookiecutter.example, "proofs": cookiecutter.proofs, "ci": cookiecutter.ci,
    "http_client": cookiecutter.http_client, "jobs": cookiecutter.jobs, "auth": cookiecutter.auth,
    "deploy": cookiecutter.deploy, "licence": cookiecutter.licence, "slug": cookiecutter.project_slug} | tojson }}"""
)

CONTEXT: dict[str, str | None] = json.loads(r"""{{ cookiecutter | tojson }}""")
"""The answers and, with a leading underscore, the template's configuration and the addresses of this run."""

TEMPLATE = Path(json.loads(r""" {{ template_folder | tojson }} """))
"""The template's folder: a folder of the user, or the clone that cookiecutter made from an address."""

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
        "devtools/console/tests/test_page.py",
        "devtools/rates_stub.py",
        "devtools/tests/test_rates_stub.py",
        "migrations/versions/0003_orders.py",
        "migrations/versions/0004_products.py",
        "migrations/versions/0006_order_owners.py",
        "tests/auth/test_cors.py",
        "tests/auth/test_docs.py",
        "tests/auth/test_stream_tokens.py",
        "tests/computed_functions.py",
        "tests/faults/defences/traced_calls.py",
        "tests/faults/test_breaker_alert.py",
        "tests/faults/test_malformed_orders.py",
        "tests/faults/test_nested_timeouts.py",
        "tests/faults/test_traced_calls.py",
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
        "devtools/console/tests",
        "devtools/drawing",
        "devtools/load",
        "devtools/tests",
        "tests/auth/fake_issuer.py",
        "tests/auth/forge.py",
        "tests/auth/rows.py",
        "tests/auth/test_bodies.py",
        "tests/auth/test_client_credentials.py",
        "tests/auth/test_cors.py",
        "tests/auth/test_docs.py",
        "tests/auth/test_keys.py",
        "tests/auth/test_memory.py",
        "tests/auth/test_stream_tokens.py",
        "tests/auth/test_token_settings.py",
        "tests/auth/test_tokens.py",
        "tests/auth/test_withdrawn_keys.py",
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
        "tests/http_caching",
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
        "tests/rate_limits",
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
        "tests/valkey",
        "tests/web/test_deadline_in_database.py",
        "tests/web/test_deadline_in_threads.py",
        "tests/settings/test_browsers.py",
        "tests/web/test_access_log.py",
        "tests/web/test_direct_route.py",
        "tests/web/test_direct_routes_and_fastapi.py",
        "tests/web/test_allowed_hosts.py",
        "tests/web/test_browsers.py",
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
        "app/orders/jobs_owned.py",
        "app/request/principal.py",
        "app/settings/jobs.py",
        "app/settings/streams.py",
        "app/streams",
        "deploy/kubernetes/base/worker.yaml",
        "devtools/confirmations_stub.py",
        "devtools/console/tests/test_page.py",
        "migrations/versions/0005_jobs.py",
        "tests/faults/ablated/job_replacements.py",
        "tests/faults/ablated/stream_replacements.py",
        "tests/faults/defences/jobs.py",
        "ops/runbooks/JobsLate.md",
        "tests/faults/job_kinds.py",
        "tests/faults/job_workers.py",
        "tests/faults/test_job_alert.py",
        "tests/faults/job_writer.py",
        "tests/faults/test_job_transactions.py",
        "tests/faults/test_job_workers.py",
        "tests/faults/test_jobs.py",
        "tests/auth/test_cors.py",
        "tests/auth/test_docs.py",
        "tests/auth/test_stream_tokens.py",
        "tests/jobs",
        "tests/observability/test_traced_jobs.py",
        "tests/observability/test_traced_sockets.py",
        "tests/orders/test_imports.py",
        "tests/pgbouncer/test_notifications.py",
        "tests/faults/defences/streams.py",
        "tests/faults/test_stream_bounds.py",
        "tests/faults/test_stream_queues.py",
        "tests/faults/test_stream_restarts.py",
        "tests/streams",
    ),
    ("auth", "none"): (
        "app/auth",
        "app/http_caching",
        "app/limits/best_effort.py",
        "app/rate_limits",
        "app/settings/valkey_url.py",
        "app/valkey",
        "migrations/versions/0007_rate_limits.py",
        "tests/faults/ablated/rate_limit_replacements.py",
        "tests/faults/defences/rate_limits.py",
        "tests/faults/defences/tokens.py",
        "tests/faults/short_keys_app.py",
        "tests/faults/signed_in_app.py",
        "tests/faults/test_access_tokens.py",
        "tests/faults/limited_app.py",
        "tests/faults/test_rate_limits.py",
        "tests/http_caching",
        "tests/orders/test_versions.py",
        "tests/rate_limits",
        "tests/settings/test_valkey_url.py",
        "tests/valkey",
        "app/request/authenticated.py",
        "app/settings/tokens.py",
        "devtools/console/tests/test_signed_load.py",
        "devtools/issuer_stub.py",
        "devtools/scaffold/feature_owned.toml",
        "app/downstreams/client_credentials.py",
        "app/orders/jobs_owned.py",
        "app/orders/models_owned.py",
        "app/orders/repository_owned.py",
        "app/orders/routes_owned.py",
        "app/orders/service_owned.py",
        "app/products/routes_owned.py",
        "migrations/versions/0006_order_owners.py",
        "tests/auth",
        "tests/orders/test_owners.py",
        "tests/orders/test_rollback_owned.py",
        "tests/http_client_signed.py",
        "tests/tokens.py",
    ),
    ("deploy", "none"): ("deploy", "devtools/deploy", "devtools/tests/deploy", "tests/deploy"),
    ("auth", "jwt"): (  # these files use an HTTP client that sends no access tokens
        "devtools/console/tests/test_page.py",
        "tests/faults/defences/traced_calls.py",
        "tests/faults/test_traced_calls.py",
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
"""The files and folders that an answer removes from the service, by question and answer."""

MOVED = {
    ("auth", "jwt"): (
        ("app/orders/jobs_owned.py", "jobs.py"),
        ("app/orders/models_owned.py", "models.py"),
        ("app/orders/repository_owned.py", "repository.py"),
        ("app/orders/routes_owned.py", "routes.py"),
        ("app/orders/service_owned.py", "service.py"),
        ("app/products/routes_owned.py", "routes.py"),
        ("app/request/authenticated.py", "principal.py"),
        ("devtools/scaffold/feature_owned.toml", "feature.toml"),
        ("tests/orders/test_rollback_owned.py", "test_rollback.py"),
        ("tests/http_client_signed.py", "http_client.py"),
    ),
}
"""By answer, the files that replace other files in the same folder; if the replaced file is dropped, its replacement is
too."""


LEFTOVERS = (".devtools", ".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache", "__pycache__")
"""Folders that tools leave in the template during development, and that cookiecutter would copy into a service."""


def remove(path: Path) -> None:
    """Delete a file or a folder, if it exists."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def replace(moved: Sequence[tuple[str, str]]) -> None:
    """Move each replacing file to the name of the replaced file, and rename the modules in every Python file."""
    for name, place in moved:
        if Path(name).exists():
            Path(name).replace(Path(name).with_name(place))
    stems = {Path(name).stem: Path(place).stem for name, place in moved}
    old = re.compile(rf"(?<=[. ])({'|'.join(stems)})\b( as \w+)?")
    for file in sorted(Path().rglob("*.py")) if moved else ():
        text = file.read_text(encoding="utf-8")
        new = old.sub(lambda found: stems[found[1]], text)
        if new != text:
            file.write_text(new, encoding="utf-8", newline="\n")


def git(*arguments: str) -> str:
    """Return what git prints about the template's folder, or an empty text, as git or the origin may be missing."""
    program = shutil.which("git")
    if program is None:
        return ""
    done = subprocess.run([program, *arguments], cwd=TEMPLATE, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def remember_the_template() -> None:
    """Write `.cruft.json`, by which `make template` and cruft update the service.

    cruft passes `_commit` and writes the file itself. A template folder without its own `.git`, such as an unpacked zip
    file, has no commit; a repository of a parent folder is about other files.
    """
    if "_commit" in CONTEXT or not (TEMPLATE / ".git").exists():
        return
    commit = git("rev-parse", "--verify", "HEAD")
    own = CONTEXT["_template"] == CONTEXT.get("_repo_dir")
    # for a clone: the full address instead of an abbreviation such as `gh:`, and without a password
    address = str(TEMPLATE) if own else re.sub(r"^(https?://)[^/@]*@", r"\1", git("remote", "get-url", "origin"))
    if commit and address:
        answers = {question: answer for question, answer in CONTEXT.items() if not question.startswith("_")}
        known = {"template": address, "commit": commit, "checkout": None, "context": {"cookiecutter": answers}}
        text = json.dumps(known | {"directory": None}, ensure_ascii=False, indent=2, sort_keys=True)
        Path(".cruft.json").write_text(text + "\n", encoding="utf-8", newline="\n")


def main() -> None:
    """Remove and rename files of the new service, which is the current folder, and print the next commands."""
    for answer in ANSWERS.items():
        for name in DROPPED.get(answer, ()):
            remove(Path(name))
    for answer in ANSWERS.items():
        replace(MOVED.get(answer, ()))
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
