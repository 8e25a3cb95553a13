"""The defences against a failing or changed database, failing downstreams, and work that takes all connections."""

from collections.abc import Mapping

from tests.faults.defences.defence import Defence

CHANGED_TABLES = "faults/test_changed_tables.py"
BAD_DOWNSTREAMS, DOWNSTREAM_CALLS = "faults/test_bad_downstreams.py", "faults/test_downstream_calls.py"
BAD_DOWNSTREAM = f"{BAD_DOWNSTREAMS}::test_a_bad_downstream_costs_its_own_callers_only"
SETTINGS = "app.settings.downstreams:DownstreamSettings"

DEPENDENCIES: Mapping[str, Defence] = {
    "lock timeout": Defence(
        "the wait for a lock has a timeout",
        "app.database.connection:enforced",
        "no_lock_timeout",
        f"{CHANGED_TABLES}::test_a_locked_table_costs_its_own_callers_only",
    ),
    "statement timeout": Defence(
        "the database server ends the statements of a dead worker",
        "app.database.connection:enforced",
        "no_statement_timeout",
        "faults/test_killed_worker.py::test_the_statements_of_a_killed_worker_end_at_the_statement_timeout",
    ),
    "pool queue": Defence(
        "the connection pool has a fair and bounded queue",
        "app.limits.quotas:Quota.has_room",
        "always",
        "faults/test_overload.py",
    ),
    "dead connections": Defence(
        "a dead connection is replaced before its use",
        "app.database.pool:FairPool._drop_if_dead",
        "do_nothing",
        "smoke/test_survival.py::test_a_database_that_restarts_while_the_service_is_idle_costs_no_request",
    ),
    "read retry": Defence(
        "a read that fails on a stale connection or schema runs again",
        "app.database.reader:is_stale",
        "never",
        f"{CHANGED_TABLES}::test_reads_survive_a_change_of_a_column_type",
    ),
    "errors of the driver": Defence(
        "a read straight from the driver fails as one through SQLAlchemy does, and gives its connection back",
        "app.database.reader:Reader._fail",
        "do_nothing",
        "faults/test_lost_connections.py",
    ),
    "primary": Defence(
        "a connection to a standby is refused",
        "app.lifespan:with_target",
        "any_server",
        "faults/test_failover.py::test_a_service_that_starts_on_a_standby_writes_once_it_reaches_the_primary",
    ),
    "settings of a connection": Defence(
        "the settings of a connection are verified on a real connection",
        "app.readiness.role:RoleCheck.at_start",
        "do_nothing_async",
        "faults/test_dropped_settings.py",
    ),
    "read-only database": Defence(
        "a database that its administrator made read-only gets no writes",
        "app.database.driver:OBEY_DEFAULTS",
        "plain_select",
        "faults/test_read_only_database.py",
    ),
    "recreated types": Defence(
        "a connection with statements of an older type is replaced",
        "app.database.connection:_is_outdated",
        "never",
        f"{CHANGED_TABLES}::test_reads_survive_a_recreated_type",
    ),
    "commit before the response": Defence(
        "a write is committed before the response starts",
        "app.dependencies:WriteSession",
        "late_commit",
        "faults/test_transactions.py",
    ),
    "tasks after the commit": Defence(
        "a background task starts after the commit and never after a rollback",
        "app.work.background:open_transaction",
        "unused_variable",
        "faults/test_background_tasks.py",
    ),
    # {% if cookiecutter.example == "showcases" %}
    "unpicklable outcomes": Defence(
        "an outcome that a worker process cannot send is the error of its caller",
        "app.work.process_child:_answer",
        "plain_answer",
        "work/test_pickling.py",
    ),
    # {% endif %}
    "database error classes": Defence(
        "an error of the database becomes a response of its class",
        "app.web.handlers:SQLSTATES",
        "empty",
        "faults/test_transactions.py",
    ),
    # {% if cookiecutter.http_client != "none" %}
    "response size": Defence(
        "the response of a downstream has a size limit",
        "app.downstreams.client:Client._read",
        "read_all",
        f"{BAD_DOWNSTREAM}[flood]",
    ),
    "total timeout": Defence(
        "a call of a downstream has a total timeout",
        SETTINGS,
        "timeout_of_an_hour",
        f"{BAD_DOWNSTREAM}[trickle]",
    ),
    "downstream bulkhead": Defence(
        "the concurrent calls of a downstream are limited",
        SETTINGS,
        "thousands_of_calls",
        f"{BAD_DOWNSTREAM}[never]",
    ),
    "circuit breaker": Defence(
        "a failing downstream is not called for a while",
        "app.downstreams.breaker:Breaker.enter",
        "admit",
        f"{BAD_DOWNSTREAM}[fail]",
    ),
    "retry budget": Defence(
        "retries add a tenth to the calls of a downstream at most",
        "app.downstreams.retry_budget:RetryBudget.take",
        "always",
        f"{BAD_DOWNSTREAMS}::test_retries_add_a_tenth_to_the_calls_at_most",
    ),
    "cut-off calls": Defence(
        "calls that a deadline cuts off open the circuit breaker",
        "app.downstreams.attempts:Attempts.blames_downstream",
        "never",
        f"{DOWNSTREAM_CALLS}::test_calls_that_a_short_deadline_cuts_off_open_the_circuit_breaker",
    ),
    # {% if cookiecutter.example != "no" %}
    "nested timeouts": Defence(
        "a call may not take longer than the deadline of its request",
        "app.settings.downstreams:DownstreamSettings.misnested",
        "none_missing",
        "faults/test_nested_timeouts.py::test_a_call_that_may_outlast_the_deadline_of_its_request_stops_the_start",
    ),
    # {% endif %}
    # {% if cookiecutter.http_client == "httpx" %}
    "request bytes": Defence(
        "a request reaches a downstream byte for byte as it was built",
        "app.downstreams.transport:URL",
        "url_read_anew",
        f"{DOWNSTREAM_CALLS}::test_a_path_segment_reaches_the_downstream_as_it_was_encoded",
    ),
    # {% endif %}
    # {% endif %}
    "idempotency": Defence(
        "a write that is repeated with its Idempotency-Key happens once",
        "app.idempotency.request:IdempotentRequest.answered",
        "do_nothing_async",
        "faults/test_repeated_writes.py",
    ),
    "guaranteed connections": Defence(
        "stuck route groups leave connections to another group",
        "app.limits.quotas:Quotas.reserved",
        "admit",
        "faults/test_stuck_groups.py::test_three_stuck_route_groups_refuse_nothing_of_another",
    ),
    "background connections": Defence(
        "background tasks leave connections to the requests",
        "app.limits.quotas:Quota.has_room",
        "always",
        "faults/test_stuck_groups.py::test_background_tasks_with_long_transactions_refuse_no_read",
    ),
    "foreign database": Defence(
        "a worker on the database of a different service is not ready",
        "app.readiness.schema:PREFIX",
        "no_text",
        "faults/test_early_start.py::test_on_the_database_of_a_different_service_the_service_is_not_ready",
    ),
    "schema readiness": Defence(
        "a worker without its database schema is not ready",
        "app.readiness.schema:Revisions.missing",
        "none_missing",
        "faults/test_early_start.py",
    ),
}
