"""The defences of the HTTP server and of the middleware: drain, limits, timeouts and admission control."""

from collections.abc import Mapping

from tests.faults.defences.defence import Defence

LARGE_REQUESTS, SIGTERM = "faults/test_large_requests.py", "faults/test_sigterm.py"
BYTES = "faults/test_connection_bytes.py"
LATE_BALANCER = f"{SIGTERM}::test_a_stop_loses_no_request_behind_a_late_load_balancer"
LATE_CONNECTION = f"{SIGTERM}::test_late_connections_are_served_and_closed"

SERVER: Mapping[str, Defence] = {
    "drain": Defence(
        "a stopping worker serves until the drain ends",
        "app.server.drain:DrainingServer.on_tick",
        "stock_tick",
        LATE_BALANCER,
    ),
    "not ready": Defence(
        "a stopping worker is not ready from the signal on",
        "app.server.worker:begin_drain",
        "do_nothing",
        LATE_BALANCER,
    ),
    "reload": Defence(
        "a reload announces the close of each connection",
        "app.server.drain:ConnectionClose.__call__",
        "pass_through",
        "faults/test_reload.py::test_a_reload_loses_no_request",
    ),
    "old listeners": Defence(
        "old workers accept connections until the new workers have started",
        "app.server.balance:WorkerCount.is_awaited",
        "never",
        "faults/test_reload.py::test_old_workers_accept_connections_until_the_new_workers_have_started",
    ),
    "connection close": Defence(
        "a stopping worker announces the close of each connection",
        "app.server.drain:ConnectionClose.__call__",
        "pass_through",
        LATE_CONNECTION,
    ),
    "late connections": Defence(
        "a connection that was accepted just before the stop is served",
        "app.server.drain:DrainingServer.late_seconds",
        "zero",
        LATE_CONNECTION,
    ),
    "requests sent ahead": Defence(
        "a client that sends requests ahead waits for its responses",
        "app.server.protocol:MAX_UNANSWERED",
        "unlimited",
        "faults/test_requests_ahead.py::test_requests_sent_ahead_are_bounded_and_other_clients_are_served",
    ),
    "ignored upgrades": Defence(
        "an upgrade without a server is ignored, and the body is read",
        "app.server.parser:RequestParser._feed",
        "httptools_feed",
        f"{BYTES}::test_an_upgrade_without_a_server_is_ignored_and_the_body_is_read",
    ),
    "order of refusals": Defence(
        "a refusal waits for the responses before it",
        "app.server.protocol:BoundedProtocol.send_400_response",
        "stock_refusal",
        f"{BYTES}::test_a_refusal_comes_in_order_and_ends_the_connection",
    ),
    "one Host": Defence(
        "a request has exactly one Host, and no transfer coding but chunked",
        "app.server.head:refused",
        "do_nothing",
        f"{BYTES}::test_a_refusal_comes_in_order_and_ends_the_connection",
    ),
    "connection limit": Defence(
        "the longest idle connection is closed for a new connection",
        "app.server.connections:Connections.admit",
        "serve_all",
        "faults/test_many_connections.py::"
        "test_requests_and_probes_are_answered_beside_more_idle_connections_than_files",
    ),
    "living WebSockets": Defence(
        "a WebSocket lives as long as it is used",
        "app.server.protocol:BoundedProtocol.handle_websocket_upgrade",
        "stock_upgrade",
        "faults/test_websockets.py::test_a_websocket_lives_longer_than_the_timeout_of_a_head",
    ),
    "header timeout": Defence(
        "idle connections and slow headers have a timeout",
        "app.server.protocol:BoundedProtocol._begin_head",
        "do_nothing",
        "faults/test_slow_clients.py",
    ),
    "unread responses": Defence(
        "a client that never reads its responses is disconnected",
        "app.server.protocol:UNREAD_SECONDS",
        "zero",
        "faults/test_unread_responses.py",
    ),
    "header size": Defence(
        "headers have a size limit",
        "app.server.parser:MAX_HEAD_BYTES",
        "unlimited",
        f"{LARGE_REQUESTS}::test_large_headers_are_431",
    ),
    "URL length": Defence(
        "URLs have a length limit",
        "app.server.head:MAX_URL_BYTES",
        "unlimited",
        f"{LARGE_REQUESTS}::test_a_long_url_is_414",
    ),
    "body size": Defence(
        "bodies have a size limit",
        "app.web.body_limit:BodyLimit.__call__",
        "pass_through",
        f"{LARGE_REQUESTS}::test_a_large_body_gets_a_readable_response",
    ),
    "compressed bodies": Defence(
        "compressed bodies are refused",
        "app.web.body_limit:BodyLimit.__call__",
        "pass_through",
        f"{LARGE_REQUESTS}::test_a_compressed_body_is_415_and_is_not_decompressed",
    ),
    "lingering close": Defence(
        "a client that still sends its body can read the refusal",
        "app.web.lingering_close:LingeringClose.__call__",
        "pass_through",
        f"{LARGE_REQUESTS}::test_a_large_body_gets_a_readable_response",
    ),
    "deadline": Defence(
        "every request ends at its deadline",
        "app.web.deadline:Deadline.__call__",
        "pass_through",
        "faults/test_strangers.py::test_a_trusted_caller_may_ask_for_a_short_deadline",
    ),
    "admission control": Defence(
        "requests beyond the capacity are refused at once",
        "app.web.admission:Admission.__call__",
        "pass_through",
        "faults/test_overload.py::test_the_requests_in_progress_are_bounded",
    ),
    "connection quota": Defence(
        "a route group cannot take all connections of the pool",
        "app.web.admission:connection_quota",
        "unused_variable",
        "faults/test_changed_tables.py::test_a_locked_table_costs_its_own_callers_only",
    ),
    "validation errors": Defence(
        "the refusal of an input tells the reason and not the value",
        "app.web.handlers:HANDLERS",
        "empty",
        "smoke/test_malformed.py",
    ),
    "catch-all": Defence(
        "an unexpected exception is a 500 and keeps the connection open",
        "app.web.catch_all:CatchAll.__call__",
        "pass_through",
        "faults/test_unhandled_errors.py",
    ),
    "error trackers": Defence(
        "an error tracker sees an unexpected exception, and the connection stays open",
        "app.web.catch_all:Service.__call__",
        "stock_call",
        "faults/test_unhandled_errors.py",
    ),
    "broken streams": Defence(
        "an event stream that fails is cut off",
        "app.web.catch_all:EVENT_STREAM",
        "no_media_type",
        "faults/test_broken_streams.py",
    ),
    "unread idempotency keys": Defence(
        "a write refuses an Idempotency-Key that its route does not read",
        "app.web.unread_key:UnreadKey.__call__",
        "pass_through",
        "faults/test_repeated_writes.py::test_a_key_that_a_route_does_not_read_is_refused",
    ),
    "bounded log": Defence(
        "log lines without a reader are dropped and counted",
        "app.observability.writer:MAX_BYTES",
        "unlimited",
        "faults/test_log_output.py",
    ),
    "trusted proxies": Defence(
        "X-Forwarded-For is trusted from the proxy only",
        "gunicorn.conf:FORWARDED_ALLOW_IPS",
        "any_address",
        "faults/test_spoofing.py::test_forwarded_headers_of_a_stranger_are_ignored",
    ),
}
