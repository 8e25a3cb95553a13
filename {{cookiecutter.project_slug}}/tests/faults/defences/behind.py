"""Those between the service and what it depends on: its database and other services."""

from collections.abc import Mapping

from tests.faults.defences.defence import Defence

LOCKED = "test_changed_tables.py"
NEIGHBOUR = "test_neighbours.py::test_a_bad_neighbour_costs_its_own_callers_and_nobody_else"
RETRIES = "test_neighbours.py::test_retries_add_a_tenth_to_its_calls_at_most"
DOWNSTREAM = "app.downstreams.settings:DownstreamSettings"

BEHIND: Mapping[str, Defence] = {
    "lock timeout": Defence(
        "nobody waits long for a lock",
        "app.connection:enforced",
        "no_lock_timeout",
        f"{LOCKED}::test_a_locked_table_costs_its_own_callers_and_nobody_else",
    ),
    "statement timeout": Defence(
        "the server ends what nobody waits for",
        "app.connection:enforced",
        "no_statement_timeout",
        "test_killed_worker.py::test_its_queries_end_at_the_limit_of_the_server",
    ),
    "queue of the pool": Defence(
        "who waits for a connection waits in a fair and bounded queue",
        "app.pool:_pass",
        "nothing",
        "test_overload.py",
    ),
    "look at idle connections": Defence(
        "a connection that ended is replaced before it is used",
        "app.pool:FairPool._drop_if_dead",
        "nothing",
        "test_restarted_database.py::test_while_idle_it_costs_nobody_anything",
    ),
    "reads run again": Defence(
        "a read that met an older schema, or a connection that ended, runs once more",
        "app.reader:is_stale",
        "never",
        f"{LOCKED}::test_reads_survive_that_a_column_gets_another_type",
    ),
    "commit before the answer": Defence(
        "a write is committed before its answer starts",
        "app.dependencies:WriteSession",
        "late_commit",
        "test_transactions.py",
    ),
    "names for refusals": Defence(
        "what the database refuses is an answer of its class",
        "app.problems:SQLSTATE_CLASSES",
        "empty",
        "test_transactions.py",
    ),
    "size of an answer": Defence(
        "another service's answers have a bound",
        "app.downstreams.client:Client._read",
        "read_all",
        f"{NEIGHBOUR}[flood]",
    ),
    "time of a call": Defence(
        "another service has a total time to answer in, however it spends it",
        DOWNSTREAM,
        "an_hour_for_a_call",
        f"{NEIGHBOUR}[trickle]",
    ),
    "calls at once": Defence(
        "another service gets so many calls at once",
        DOWNSTREAM,
        "thousands_of_calls",
        f"{NEIGHBOUR}[never]",
    ),
    "breaker": Defence(
        "another service that fails is left alone for a while",
        "app.downstreams.breaker:Breaker.enter",
        "pass_each",
        f"{NEIGHBOUR}[fail]",
    ),
    "share of retries": Defence(
        "retries are a small share of the calls",
        "app.downstreams.retry:RetryBudget.take",
        "always",
        RETRIES,
    ),
    "idempotency": Defence(
        "a write that is repeated with its key happens once",
        "app.idempotency.once:Once.answered",
        "ignore",
        "test_left_writers.py",
    ),
    "readiness of the schema": Defence(
        "a worker whose database has no schema is not ready",
        "app.health.revisions:Revisions.missing",
        "none_missing",
        "test_started_early.py",
    ),
}
