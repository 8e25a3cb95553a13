"""Those that meet a request first, and those of the process itself."""

from collections.abc import Mapping

from tests.faults.defences.defence import Defence

SIZES, SIGTERM = "test_sizes.py", "test_sigterm.py"

DOOR: Mapping[str, Defence] = {
    "drain": Defence(
        "a worker that is told to stop serves on for a while",
        "app.server.drain:DrainingServer.on_tick",
        "stock_tick",
        f"{SIGTERM}::test_nobody_notices_a_stop_behind_a_balancer_that_is_a_second_late",
    ),
    "not ready": Defence(
        "it says at once that it is not ready any more",
        "app.server.worker:begin_drain",
        "nothing",
        f"{SIGTERM}::test_nobody_notices_a_stop_behind_a_balancer_that_is_a_second_late",
    ),
    "reload": Defence(
        "a stop is announced on each answer, so that a reload is not noticed",
        "app.server.drain:LastAnswers.__call__",
        "let_through",
        "test_reload.py",
    ),
    "last answers": Defence(
        "clients of a worker that stops are asked to reconnect",
        "app.server.drain:LastAnswers.__call__",
        "let_through",
        f"{SIGTERM}::test_who_connected_before_the_last_moment_is_answered_and_told_to_reconnect",
    ),
    "late connections": Defence(
        "what was accepted in the last moment is answered",
        "app.server.drain:DrainingServer.late_seconds",
        "zero",
        f"{SIGTERM}::test_who_connected_before_the_last_moment_is_answered_and_told_to_reconnect",
    ),
    "time for a head": Defence(
        "connections that say nothing are ended",
        "app.server.protocol:BoundedProtocol._begin_head",
        "nothing",
        "test_slow_clients.py",
    ),
    "unread answers": Defence(
        "connections of clients that never read are cut off",
        "app.server.protocol:UNREAD_SECONDS",
        "zero",
        "test_unread.py",
    ),
    "size of a head": Defence(
        "headers have a bound",
        "app.server.protocol:MAX_HEAD_BYTES",
        "without_end",
        f"{SIZES}::test_headers_that_are_too_large_are_431",
    ),
    "length of a URL": Defence(
        "URLs have a bound",
        "app.server.protocol:MAX_URL_BYTES",
        "without_end",
        f"{SIZES}::test_an_address_that_is_too_long_is_414",
    ),
    "size of a body": Defence(
        "bodies have a bound",
        "app.middleware.body_limit:BodyLimit.__call__",
        "let_through",
        f"{SIZES}::test_a_hundred_megabytes_are_answered_so_that_the_client_can_read_it",
    ),
    "packed bodies": Defence(
        "compressed bodies are refused",
        "app.middleware.body_limit:BodyLimit.__call__",
        "let_through",
        f"{SIZES}::test_a_compressed_body_is_415_and_stays_packed",
    ),
    "linger": Defence(
        "who still sends can read the refusal",
        "app.middleware.linger:Linger.__call__",
        "let_through",
        f"{SIZES}::test_a_hundred_megabytes_are_answered_so_that_the_client_can_read_it",
    ),
    "deadline": Defence(
        "every request is answered in time",
        "app.middleware.deadline:Deadline.__call__",
        "let_through",
        "test_slow_clients.py",
    ),
    "admission": Defence(
        "more requests than can be served are refused at once",
        "app.middleware.admission:Admission.__call__",
        "let_through",
        "test_overload.py::test_only_so_many_of_them_are_worked_on_at_once",
    ),
    "shares": Defence(
        "one family cannot take all connections",
        "app.middleware.admission:share",
        "nobodys",
        "test_changed_tables.py::test_a_locked_table_costs_its_own_callers_and_nobody_else",
    ),
    "reasons": Defence(
        "input that is refused is told why, and no value of it",
        "app.problems:HANDLERS",
        "empty",
        "test_malformed.py",
    ),
    "catch-all": Defence(
        "a bug answers, and its connection stays",
        "app.middleware.catch_all:CatchAll.__call__",
        "let_through",
        "test_unhandled.py",
    ),
    "bounded log": Defence(
        "lines that nobody reads are dropped and counted",
        "app.observability.writer:MAX_BYTES",
        "without_end",
        "test_logs.py",
    ),
    "believed proxies": Defence(
        "X-Forwarded-For counts from the proxy only",
        "gunicorn.conf:FORWARDED_ALLOW_IPS",
        "everybody",
        "test_spoofing.py::test_forwarded_headers_of_a_stranger_are_ignored",
    ),
}
