"""Tests of ``app.notify.subscriptions``."""

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack

import pytest

from app.domain.events import StoredEvent
from app.domain.order import PUBLIC, Order, OrderId, Owner, Symbol
from app.notify.subscriptions import Subscriptions
from app.ports import EventFilter, EventSubscription, SubscriptionEndedError
from tests.support.builders import LTCBTC, make_order
from tests.support.events import in_commit_order, make_event

ALICE, BOB = Owner("alice"), Owner("bob")
ETHBTC = Symbol("ETHBTC")
EVERYTHING = EventFilter(owner=PUBLIC)
FAR_SECONDS = 3_600.0
"""Longer than any test runs."""


def events_of(*orders: Order, first_position: int = 1) -> list[StoredEvent]:
    """Make an event per order."""
    return in_commit_order(*map(make_event, orders), first_position=first_position)


def orders(first: int, last: int) -> list[Order]:
    """Make orders with these numbers."""
    return [make_order(number=number) for number in range(first, last + 1)]


@pytest.fixture
def subscriptions() -> Subscriptions:
    """Return subscriptions to a stream without events, of which three may wait."""
    return Subscriptions(head=0, waiting_events_max=3)


async def heard(subscription: EventSubscription) -> list[int]:
    """Return the positions of the queued events."""
    return [stored.position for stored in await subscription.next()]


async def ended(subscription: EventSubscription) -> bool:
    """Check that the subscription has ended; return whether the service stops."""
    with pytest.raises(SubscriptionEndedError) as told:
        await subscription.next()
    with pytest.raises(SubscriptionEndedError):
        subscription.check()
    return told.value.is_stopping


async def test_a_subscriber_hears_events_in_the_order_of_commits(
    subscriptions: Subscriptions,
) -> None:
    """A subscriber gets all queued events, each once, in commit order."""
    with subscriptions.open(EVERYTHING) as subscription:
        subscriptions.publish(events_of(*orders(1, 2), first_position=4))
        subscriptions.publish(events_of(*orders(3, 3), first_position=9))

        first = await heard(subscription)
        subscriptions.publish(events_of(*orders(4, 4), first_position=10))

        assert (first, await heard(subscription)) == ([4, 5, 9], [10])


async def test_a_subscriber_waits_for_the_next_event(subscriptions: Subscriptions) -> None:
    """A subscriber waits until there is an event, and a check is silent meanwhile."""
    with subscriptions.open(EVERYTHING) as subscription:
        subscriptions.publish(events_of(*orders(1, 1)))
        await subscription.next()
        waiting = asyncio.create_task(heard(subscription))
        await asyncio.sleep(0)
        assert not waiting.done()
        subscription.check()

        subscriptions.publish(events_of(*orders(2, 2), first_position=2))

        assert await waiting == [2]


@pytest.mark.parametrize(
    ("event_filter", "numbers"),
    [
        (EventFilter(owner=ALICE), [1, 2, 3]),
        (EventFilter(owner=BOB), [4]),
        (EventFilter(owner=PUBLIC), []),
        (EventFilter(owner=ALICE, symbols=frozenset({ETHBTC})), [3]),
        (EventFilter(owner=ALICE, symbols=frozenset({ETHBTC, LTCBTC})), [1, 2, 3]),
        (EventFilter(owner=ALICE, order_ids=frozenset({make_order(number=2).order_id})), [2]),
        (
            EventFilter(
                owner=ALICE,
                order_ids=frozenset({make_order(number=n).order_id for n in (2, 3, 4)}),
                symbols=frozenset({ETHBTC}),
            ),
            [3],
        ),
        (EventFilter(owner=BOB, order_ids=frozenset({OrderId("unknown")})), []),
    ],
)
async def test_a_subscriber_hears_what_his_filter_admits(
    event_filter: EventFilter, numbers: Sequence[int]
) -> None:
    """A subscriber gets its owner's events only, narrowed by order ids and symbols."""
    subscriptions = Subscriptions(head=0)
    published = events_of(
        make_order(number=1, owner=ALICE),
        make_order(number=2, owner=ALICE),
        make_order(number=3, owner=ALICE, symbol=ETHBTC),
        make_order(number=4, owner=BOB),
    )
    with subscriptions.open(event_filter) as subscription:
        subscriptions.publish(published)
        listening = asyncio.create_task(heard(subscription))
        await asyncio.sleep(0)

        assert listening.done() is bool(numbers)
        if numbers:
            assert listening.result() == numbers
        listening.cancel()


async def test_events_are_collected_once_for_all_who_ask_for_the_same() -> None:
    """Subscribers with the same filter share one list of events."""
    asked = 0

    class CountingFilter(EventFilter):
        def admits(self, order: Order) -> bool:
            nonlocal asked
            asked += 1
            return super().admits(order)

    everything = CountingFilter(owner=PUBLIC)
    other_symbol = CountingFilter(owner=PUBLIC, symbols=frozenset({ETHBTC}))
    other_order = CountingFilter(owner=PUBLIC, order_ids=frozenset({OrderId("unknown")}))
    subscriptions = Subscriptions(head=0)
    with ExitStack() as opened:
        twins = [opened.enter_context(subscriptions.open(everything)) for _ in range(3)]
        for event_filter in (other_symbol, other_order, CountingFilter(owner=BOB)):
            opened.enter_context(subscriptions.open(event_filter))

        subscriptions.publish(events_of(*orders(1, 5)))
        subscriptions.publish(events_of(*orders(6, 7), first_position=6))

        assert [await heard(twin) for twin in twins] == [[1, 2, 3, 4, 5, 6, 7]] * 3
    assert asked == 7


async def test_subscribers_that_share_events_take_them_one_by_one(
    subscriptions: Subscriptions,
) -> None:
    """Subscribers that share events read them independently."""
    with subscriptions.open(EVERYTHING) as first, subscriptions.open(EVERYTHING) as second:
        subscriptions.publish(events_of(*orders(1, 2)))
        assert await heard(first) == [1, 2]
        subscriptions.publish(events_of(*orders(3, 3), first_position=3))

        assert (await heard(first), await heard(second)) == ([3], [1, 2, 3])


async def test_a_subscription_says_what_was_told_before_it() -> None:
    """A subscription's head is the position of the last event before it, followed or not."""
    subscriptions = Subscriptions(head=3)
    subscriptions.publish(events_of(make_order(owner=BOB), first_position=7))
    assert subscriptions.head == 7
    with subscriptions.open(EVERYTHING) as first:
        subscriptions.publish(events_of(*orders(1, 2), first_position=8))
        subscriptions.publish([])
        with subscriptions.open(EVERYTHING) as second:
            subscriptions.publish(events_of(*orders(3, 3), first_position=12))

            assert (first.head, second.head, subscriptions.head) == (7, 9, 12)
            assert (await heard(first), await heard(second)) == ([8, 9, 12], [12])


async def test_a_subscriber_within_the_bound_misses_nothing(subscriptions: Subscriptions) -> None:
    """A subscriber at the limit loses no event."""
    with subscriptions.open(EVERYTHING) as subscription:
        for _round in range(3):
            subscriptions.publish(events_of(*orders(1, 3)))

            assert await heard(subscription) == [1, 2, 3]


async def test_a_subscriber_that_does_not_keep_pace_is_ended(subscriptions: Subscriptions) -> None:
    """A subscriber beyond the limit is ended for this reason and frees its memory."""
    only_first = EventFilter(owner=PUBLIC, order_ids=frozenset({make_order().order_id}))
    with (
        subscriptions.open(EVERYTHING) as slow,
        subscriptions.open(only_first) as other,
    ):
        subscriptions.publish(events_of(*orders(1, 4)))
        subscriptions.publish(events_of(*orders(5, 5), first_position=5))

        assert await ended(slow) is False
        assert slow._waiting == []
        assert await heard(other) == [1]
        await subscriptions.stop(seconds=0)
        assert await ended(slow) is False  # the first reason counts


async def test_a_reader_learns_of_the_end_immediately(subscriptions: Subscriptions) -> None:
    """A reader learns of the end immediately, also while it waits."""
    with subscriptions.open(EVERYTHING) as subscription:
        waiting = asyncio.create_task(ended(subscription))
        await asyncio.sleep(0)
        stopping = asyncio.create_task(subscriptions.stop(seconds=FAR_SECONDS))

        assert await waiting is True
        assert not stopping.done()
    await stopping


async def test_a_stop_gives_subscribers_time_to_leave(subscriptions: Subscriptions) -> None:
    """A stop returns once the last subscriber left, and ends later subscribers."""
    with subscriptions.open(EVERYTHING) as first:
        with subscriptions.open(EventFilter(owner=BOB)):
            stopping = asyncio.create_task(subscriptions.stop(seconds=FAR_SECONDS))
            await asyncio.sleep(0)
        with subscriptions.open(EVERYTHING) as late:
            assert await ended(late) is True
        await asyncio.sleep(0)
        assert not stopping.done()
        assert await ended(first) is True

    await stopping


async def test_a_stop_has_a_time_limit(subscriptions: Subscriptions) -> None:
    """A stop ends after its time, though a subscriber stays."""
    with subscriptions.open(EVERYTHING) as subscription:
        await subscriptions.stop(seconds=0)

        subscriptions.publish(events_of(*orders(1, 1)))
        assert await ended(subscription) is True


async def test_a_stop_without_subscribers_is_at_once() -> None:
    """A stop without subscribers returns immediately."""
    await asyncio.wait_for(Subscriptions(head=0).stop(seconds=FAR_SECONDS), timeout=5)


async def test_nothing_is_kept_of_subscribers_that_left(subscriptions: Subscriptions) -> None:
    """No memory remains of subscribers that left."""
    narrow = EventFilter(owner=ALICE, order_ids=frozenset({OrderId("1"), OrderId("2")}))
    by_symbol = EventFilter(owner=ALICE, symbols=frozenset({LTCBTC, ETHBTC}))
    for event_filter in (EventFilter(owner=BOB), narrow, narrow, by_symbol):
        with subscriptions.open(EVERYTHING), subscriptions.open(event_filter):
            pass
    with subscriptions.open(EventFilter(owner=ALICE)) as subscription:
        pass
    subscriptions.publish(events_of(make_order(owner=ALICE)))

    assert not subscriptions._by_filter
    assert not subscriptions._filters_by_key
    assert subscription._waiting == []
