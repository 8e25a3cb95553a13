"""The defences of access tokens: no request fails while the issuer is down, and no route is open by mistake."""

from collections.abc import Mapping

from tests.faults.defences.defence import Defence

TESTS = "faults/test_access_tokens.py"

TOKENS: Mapping[str, Defence] = {
    "stale keys": Defence(
        "the keys of an issuer that is dead are used for a day",
        "app.auth.keys:STALE_SECONDS",
        "zero",
        f"{TESTS}::test_known_keys_are_used_while_the_issuer_is_dead",
    ),
    "a principal for each route": Defence(
        "a request without a token reaches no route",
        "app.request.authenticated:needs",
        "rate_limit_replacements.needs_nothing",
        f"{TESTS}::test_a_request_without_a_token_reaches_no_route",
    ),
}
"""The defences of access tokens by name: protections, each with the fault test that needs the defence."""
