"""A subscription queues at most 64 events: a further event ends the subscription, with the reason after the queue."""

from app.streams.source import Change
from app.streams.subscription import MAX_WAITING, Reason, Subscription


def change(number: int) -> Change:
    return Change(f"counters:{number}", number, None, is_final=False, data="{}")


async def test_one_event_too_many_ends_the_subscription_with_a_reason_after_those_that_wait() -> None:
    subscription = Subscription(None, "a client")
    for number in range(MAX_WAITING + 5):
        subscription.offer(change(number))

    assert MAX_WAITING == 64
    assert [await subscription.next() for _ in range(MAX_WAITING)] == [change(number) for number in range(MAX_WAITING)]
    assert await subscription.next() == Reason.TOO_SLOW
    assert subscription.is_empty


async def test_only_the_first_reason_is_told() -> None:
    subscription = Subscription(None, "a client")
    subscription.end(Reason.RESTARTING)
    subscription.end(Reason.MAX_AGE)

    assert await subscription.next() == Reason.RESTARTING
    assert subscription.is_empty
