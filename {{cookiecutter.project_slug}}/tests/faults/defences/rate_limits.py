"""The defences of rate limits and cached responses: no fault lifts a limit, and no two principals share a response."""

from collections.abc import Mapping

from tests.faults.defences.defence import Defence

TESTS = "faults/test_rate_limits.py"

RATE_LIMITS: Mapping[str, Defence] = {
    "shared rate limits": Defence(
        "the quota of a client is exact over all workers",
        "app.rate_limits.limiter:Limiter._take_together",
        "do_nothing_async",
        f"{TESTS}::test_the_quota_is_exact_over_two_workers_on_postgresql",
    ),
    "rate limits of a process": Defence(
        "a store of rate limits that is killed or frozen lifts no limit",
        "app.rate_limits.limiter:LocalCounts",
        "rate_limit_replacements.counts_that_allow_all",
        f"{TESTS}::test_a_valkey_that_fails_meanwhile_lifts_no_limit",
    ),
    "timeout of the store": Defence(
        "a store of rate limits that does not answer costs a request a moment",
        "app.rate_limits.limiter:STORE_SECONDS",
        "unlimited",
        f"{TESTS}::test_a_locked_table_costs_a_hit_a_moment_and_lifts_no_limit",
    ),
    "commands sent once": Defence(
        "a hit whose reply is lost counts once",
        "app.valkey.client:Retry",
        "rate_limit_replacements.retry_once",
        f"{TESTS}::test_a_hit_whose_reply_is_lost_counts_once",
    ),
    "principal in the key": Defence(
        "two principals never share a cached response",
        "app.http_caching.cached:key_of",
        "rate_limit_replacements.key_without_principal",
        f"{TESTS}::test_two_principals_never_share_a_cached_response",
    ),
}
"""The defences of rate limits and cached responses by name: protections, each with the fault test that needs the
defence."""
