"""The defences of jobs: no job is lost, none runs twice at the same time, and each ends."""

from collections.abc import Mapping

from tests.faults.defences.defence import Defence

JOBS_TESTS, WORKERS, TRANSACTIONS = (f"faults/test_{name}.py" for name in ("jobs", "job_workers", "job_transactions"))

JOBS: Mapping[str, Defence] = {
    "jobs in the transaction": Defence(
        "a job is enqueued in the transaction of its write",
        "app.jobs.enqueue:enqueue",
        "job_replacements.enqueue_in_a_transaction_of_its_own",
        f"{TRANSACTIONS}::test_a_process_that_is_killed_before_the_commit_leaves_nothing",
    ),
    "unique key": Defence(
        "at most one unfinished job has a unique key",
        "app.jobs.enqueue:enqueue",
        "job_replacements.enqueue_without_a_key",
        f"{TRANSACTIONS}::test_fifty_enqueues_of_a_process_with_one_key_are_one_job",
    ),
    "pool of the queue": Defence(
        "the functions of jobs cannot starve the heartbeat",
        "app.jobs.worker:open_pool",
        "job_replacements.pool_of_the_functions",
        f"{JOBS_TESTS}::test_two_workers_with_full_pools_run_no_job_twice",
    ),
    "heartbeat of jobs": Defence(
        "a job is not taken over while its worker lives",
        "app.jobs.queue:QueueManager",
        "job_replacements.manager_without_heartbeats",
        f"{JOBS_TESTS}::test_two_workers_with_full_pools_run_no_job_twice",
    ),
    "counted attempts": Defence(
        "a job that kills its worker is dead after its last attempt",
        "app.jobs.ledger:BEGIN",
        "job_replacements.begin_without_a_count",
        f"{JOBS_TESTS}::test_a_job_that_kills_its_worker_is_dead_after_its_last_attempt",
    ),
    "claim of a run": Defence(
        "a worker whose job was taken over stores nothing",
        "app.jobs.run:Run.advance",
        "job_replacements.advance_of_any_claim",
        f"{JOBS_TESTS}::test_a_frozen_worker_that_wakes_up_after_the_takeover_stores_nothing",
    ),
    "running jobs of a kind": Defence(
        "a kind has a bounded number of running jobs across all workers",
        "app.jobs.queue:QueueManager",
        "job_replacements.manager_without_limits",
        f"{WORKERS}::test_two_workers_run_one_job_at_a_time_of_a_bounded_kind",
    ),
    "listener of the queue": Defence(
        "a worker that lost the connection of its listener listens again",
        "app.jobs.queue:QueueManager",
        "job_replacements.manager_that_stays_deaf",
        f"{WORKERS}::test_a_worker_that_lost_the_connection_of_its_listener_listens_again",
    ),
    "put back": Defence(
        "a stopping worker puts back the jobs that do not end in time",
        "app.jobs.run:Run.stop",
        "do_nothing",
        f"{WORKERS}::test_sigterm_ends_what_ends_within_the_grace_and_puts_the_rest_back",
    ),
}
"""The defences of jobs by name: protections, such as the heartbeat, each with the fault test that needs the defence."""
