"""A wrong setting of the downstream `rates` is reported by name, with the fix."""

from typing import Any

import pytest
from pydantic import ValidationError

from app.settings.load import explain
from tests.databases import make_settings

URL = "postgresql://app:secret@127.0.0.1:1/none"
CANARY = "canary5ecret"


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        ({"queue_timeout_seconds": 30}, "QUEUE_TIMEOUT_SECONDS must be less than DOWNSTREAMS__RATES__TIMEOUT_SECONDS"),
        ({"connect_timeout_seconds": 2}, "CONNECT_TIMEOUT_SECONDS must be less than DOWNSTREAMS__RATES__TIMEOUT_"),
        ({"timeout_seconds": 1.5}, "READ_TIMEOUT_SECONDS must be less than DOWNSTREAMS__RATES__TIMEOUT_SECONDS"),
        (
            {"timeout_seconds": 4, "route_groups": "conversions"},
            "TIMEOUT_SECONDS must be less than ROUTE_GROUPS__CONVERSIONS__DEADLINE_SECONDS",
        ),
        ({"route_groups": f"orders,{CANARY}"}, "ROUTE_GROUPS must name some of orders, conversions,"),
        *(
            ({"base_url": f"http://{address}"}, "BASE_URL: an address has no login, query or fragment")
            for address in (f"h/rates?key={CANARY}", f"user:{CANARY}@h", f"{CANARY}@h", f"h/#{CANARY}", "h/?")
        ),
    ],
)
def test_a_wrong_setting_of_a_downstream_is_named_with_its_fix(rates: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        make_settings(URL, downstreams={"rates": rates})

    assert f"  DOWNSTREAMS__RATES__{message}" in explain(refusal.value)
    assert CANARY not in explain(refusal.value)


def test_a_call_may_take_as_long_as_the_route_groups_that_make_the_call_allow() -> None:
    groups = {"conversions": {"deadline_seconds": 7}}
    changes: dict[str, Any] = {"timeout_seconds": 6, "route_groups": " conversions"}

    accepted = make_settings(URL, downstreams={"rates": changes}, route_groups=groups)
    with pytest.raises(ValidationError, match=r"ROUTE_GROUPS__\w+__DEADLINE_SECONDS"):
        make_settings(URL, downstreams={"rates": changes | {"route_groups": None}}, route_groups=groups)

    assert accepted.downstreams.rates.timeout_seconds == 6
