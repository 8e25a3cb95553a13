"""The defences of streams: each client learns how its stream ended, and no client takes more than its share."""

from collections.abc import Mapping

from tests.faults.defences.defence import Defence

BOUNDS, QUEUES, RESTARTS = (f"faults/test_stream_{name}.py" for name in ("bounds", "queues", "restarts"))

STREAMS: Mapping[str, Defence] = {
    "honest end": Defence(
        "the last event of a stream says how the stream ended",
        "app.streams.honest:honest",
        "unchanged",
        f"{RESTARTS}::test_sigterm_tells_every_client_and_ends_in_time",
    ),
    "told of a restart": Defence(
        "each stream is told of a restart when the drain ends",
        "app.streams.lifespan:end_at_drain",
        "do_nothing_async",
        f"{RESTARTS}::test_sigterm_tells_every_client_and_ends_in_time",
    ),
    "resync": Defence(
        "clients are told that notifications were lost",
        "app.streams.hub:Hub.resync",
        "do_nothing",
        f"{BOUNDS}::test_a_lost_connection_of_the_listener_is_told_and_replaced",
    ),
    "poll for changes": Defence(
        "a change without a notification is found by the poll",
        "app.streams.delivery:poll",
        "do_nothing_async",
        f"{BOUNDS}::test_a_change_without_a_notification_is_found",
    ),
    "age of a stream": Defence(
        "a stream ends with its age",
        "app.streams.subscription:Subscription.end",
        "do_nothing",
        f"{BOUNDS}::test_a_stream_ends_with_its_age",
    ),
    "number of streams": Defence(
        "a process has a bounded number of streams",
        "app.streams.lifespan:limits",
        "thousands_of_streams",
        f"{BOUNDS}::test_a_process_has_a_bounded_number_of_streams",
    ),
    "slow clients of streams": Defence(
        "a client that reads nothing is cut off",
        "app.streams.sse:_expire",
        "do_nothing",
        f"{BOUNDS}::test_a_client_that_reads_nothing_costs_little_and_is_cut_off",
    ),
    "queue of a stream": Defence(
        "a client that falls behind is dropped with a reason",
        "app.streams.subscription:MAX_WAITING",
        "unlimited",
        f"{QUEUES}::test_a_websocket_that_falls_behind_is_closed_with_the_reason",
    ),
    "reader of a WebSocket": Defence(
        "a busy handler does not stop the reading of a WebSocket",
        "app.streams.websocket:converse",
        "stream_replacements.one_task_for_reading_and_handling",
        f"{QUEUES}::test_a_message_that_waits_behind_a_busy_handler_does_not_cut_off_its_client",
    ),
    "size of a message": Defence(
        "a message of a WebSocket has a bounded size",
        "app.server.worker:MAX_MESSAGE_BYTES",
        "unlimited",
        f"{BOUNDS}::test_a_message_of_more_than_64_kilobytes_ends_the_websocket",
    ),
}
"""The defences of streams by name: protections, such as timeouts, each with the fault test that needs the defence."""
