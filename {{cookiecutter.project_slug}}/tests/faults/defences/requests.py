"""The defences against costly requests, slow bodies, untrusted callers, and work that goes on after its request."""

from collections.abc import Mapping

from tests.faults.defences.defence import Defence

SLOW_BODIES, COSTLY_BODIES = "faults/test_slow_bodies.py", "faults/test_costly_bodies.py"
SLOTS, STRANGERS = "faults/test_slots.py", "faults/test_strangers.py"

REQUESTS: Mapping[str, Defence] = {
    "bytes sent ahead": Defence(
        "the bytes that a client sends ahead are bounded",
        "app.server.protocol:MAX_AHEAD_BYTES",
        "unlimited",
        "faults/test_requests_ahead.py::test_large_heads_sent_ahead_wait_unparsed",
    ),
    "number of headers": Defence(
        "the number of headers is bounded",
        "app.server.head:MAX_HEADERS",
        "unlimited",
        "faults/test_connection_bytes.py::test_the_size_of_a_head_is_the_same_in_any_pieces",
    ),
    "handshakes": Defence(
        "a bad WebSocket handshake is refused",
        "app.server.head:refused_handshake",
        "do_nothing",
        "faults/test_websockets.py::test_a_bad_handshake_is_refused_with_an_id_and_one_line",
    ),
    "early frames": Defence(
        "frames before the response to a handshake are read",
        "app.server.upgrade:UpgradeProtocol.handle_websocket_upgrade",
        "stock_upgrade",
        "faults/test_websockets.py::test_frames_that_come_before_the_response_are_read",
    ),
    "one line": Defence(
        "a refused request has one log line",
        "app.observability.logs:REPEATED",
        "no_paths",
        "faults/test_refused_requests.py",
    ),
    "body first": Defence(
        "a request takes a slot only when its body is there",
        "app.web.read_ahead:ReadAhead.__call__",
        "pass_through",
        f"{SLOW_BODIES}::test_a_slow_body_takes_no_slot",
    ),
    "body rate": Defence(
        "a body has a least rate",
        "app.web.read_ahead:PATIENCE_SECONDS",
        "unlimited",
        f"{SLOW_BODIES}::test_a_large_body_that_stops_half_way_takes_no_slot",
    ),
    "JSON values": Defence(
        "a JSON body has a bounded number of values",
        "app.web.read_ahead:has_more_values",
        "never",
        f"{COSTLY_BODIES}::test_a_wide_body_is_refused_before_it_is_validated",
    ),
    "shown errors": Defence(
        "the refusal of an input shows twenty errors at most",
        "app.web.problem:SHOWN_ERRORS",
        "unlimited",
        f"{COSTLY_BODIES}::test_unknown_keys_below_the_bound_are_counted_and_twenty_are_shown",
    ),
    "work after the response": Defence(
        "work after the response takes no slot",
        "gunicorn.conf:BACKGROUND_TASKS",
        "zero",
        f"{SLOTS}::test_work_after_the_response_takes_no_slot",
    ),
    "kept connection": Defence(
        "a refusal of a small body keeps the connection",
        "app.web.body_limit:_drain",
        "do_nothing_async",
        f"{SLOTS}::test_a_refusal_of_a_body_in_pieces_keeps_the_connection",
    ),
    "slot of a thread": Defence(
        "a request that is cut off keeps its slot until its thread has ended",
        "app.request.slot:Slot.keep_until_done",
        "do_nothing",
        f"{SLOTS}::test_a_thread_keeps_the_slot_of_a_request_that_was_cut_off",
    ),
    "trusted callers": Defence(
        "deadlines, traces and the load of a worker are for trusted callers only",
        "app.web.trust:TrustedCallers.include",
        "always",
        STRANGERS,
    ),
    "deadline floor": Defence(
        "the deadline of a stranger has a floor",
        "app.web.deadline:STRANGERS_SECONDS",
        "zero",
        f"{STRANGERS}::test_the_deadline_of_a_stranger_has_a_floor",
    ),
    "probe bulkheads": Defence(
        "a probe has a bulkhead of its own",
        "app.settings.route_groups:PROBES",
        "no_paths",
        f"{STRANGERS}::test_probes_pass_a_full_bulkhead_and_paths_beside_them_do_not",
    ),
    "whole lines": Defence(
        "a long log line is not cut by the line of another worker",
        "app.observability.writer:locked",
        "null_context",
        "faults/test_log_lines.py",
    ),
}
