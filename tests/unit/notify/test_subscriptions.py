"""Tests of ``app.notify.subscriptions``."""

import asyncio
from dataclasses import replace

import pytest

from app.domain.order import PUBLIC, Owner, Symbol
from app.notify.subscriptions import Subscriptions
from app.ports import EventFilter, SubscriptionEndedError
from tests.support.builders import make_order
from tests.support.events import in_commit_order, make_event

EVERYTHING = EventFilter(owner=PUBLIC)
ORDER = make_order()


async def test_subscription_hears_what_is_published_while_it_is_open() -> None:
    """Its head says where it begins; nothing before, nothing behind, nothing twice."""
    subscriptions = Subscriptions(head=3)
    first, second, third, fourth = in_commit_order(*[make_event(ORDER)] * 4, first_position=4)
    subscriptions.publish([first])
    with subscriptions.open(EVERYTHING) as subscription:
        subscriptions.publish([second])
        subscriptions.publish([third])

        assert subscription.head == 4
        assert list(await subscription.next()) == [second, third]
        waiting = asyncio.create_task(subscription.next())
        await asyncio.sleep(0)
        assert not waiting.done()
        subscriptions.publish([fourth])
        assert list(await waiting) == [fourth]
    subscriptions.publish([fourth])

    assert subscriptions.head == 7


async def test_only_what_the_filter_admits_is_heard() -> None:
    """An owner's events, of the orders and the symbols that are named."""
    subscriptions = Subscriptions(head=0)
    other = replace(make_order(number=2), symbol=Symbol("ETHBTC"))
    theirs = replace(make_order(number=3), owner=Owner("somebody"))
    events = in_commit_order(make_event(ORDER), make_event(other), make_event(theirs))
    filters = (
        EVERYTHING,
        replace(EVERYTHING, symbols=frozenset({other.symbol})),
        replace(EVERYTHING, order_ids=frozenset({ORDER.order_id})),
        EventFilter(owner=theirs.owner),
    )
    heard = []
    for event_filter in filters:
        with subscriptions.open(event_filter) as subscription:
            subscriptions.publish(events)
            heard.append(list(await subscription.next()))

    assert heard == [events[:2], events[1:2], events[:1], events[2:]]


async def test_subscriber_that_does_not_keep_pace_is_ended() -> None:
    """What waits is bounded, and forgotten at the end: it can be read from the database."""
    subscriptions = Subscriptions(head=0, waiting_events_max=2)
    with subscriptions.open(EVERYTHING) as slow, subscriptions.open(EVERYTHING) as quick:
        subscriptions.publish(in_commit_order(*[make_event(ORDER)] * 2))
        slow.check()
        await quick.next()

        subscriptions.publish(in_commit_order(make_event(ORDER), first_position=3))

        with pytest.raises(SubscriptionEndedError, match="too many") as ended:
            slow.check()
        with pytest.raises(SubscriptionEndedError):
            await slow.next()
        assert not ended.value.is_stopping
        assert not slow._waiting
        assert len(await quick.next()) == 1


async def test_stop_ends_present_and_later_subscriptions() -> None:
    """Whoever waits is woken, and whoever comes is told at once."""
    subscriptions = Subscriptions(head=0)
    with subscriptions.open(EVERYTHING) as present:
        waiting = asyncio.create_task(present.next())
        await asyncio.sleep(0)

        await subscriptions.stop(seconds=0)

        with pytest.raises(SubscriptionEndedError, match="stops"):
            await waiting
    with subscriptions.open(EVERYTHING) as later, pytest.raises(SubscriptionEndedError) as ended:
        later.check()
    assert ended.value.is_stopping


async def test_stop_waits_until_all_said_good_bye() -> None:
    """A server that is about to close connections leaves time to tell where to resume."""
    subscriptions = Subscriptions(head=0)
    with subscriptions.open(EVERYTHING):
        stopping = asyncio.create_task(subscriptions.stop(seconds=3_600))
        await asyncio.sleep(0)
        assert not stopping.done()

    await stopping

    await subscriptions.stop(seconds=3_600)  # with nobody there it does not wait


async def test_first_end_stays() -> None:
    """Who was too slow is told so, also by a service that stops meanwhile; nobody is kept."""
    subscriptions = Subscriptions(head=0, waiting_events_max=0)
    with subscriptions.open(EVERYTHING) as subscription:
        subscriptions.publish(in_commit_order(make_event(ORDER)))
        await subscriptions.stop(seconds=0)
        with pytest.raises(SubscriptionEndedError, match="too many"):
            subscription.check()

    assert not subscriptions._by_owner


def test_transaction_without_events_moves_nothing() -> None:
    """The head is the position of the newest event."""
    subscriptions = Subscriptions(head=7)

    subscriptions.publish([])

    assert subscriptions.head == 7
