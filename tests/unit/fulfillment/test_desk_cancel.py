"""Cancels through the desk: before, during and after every other event of an order."""

import asyncio
from collections.abc import Awaitable

import pytest

from app.domain.errors import JournalUnavailableError, OutcomeUnknownError
from app.domain.order import PUBLIC, Order, OrderId, OrderStatus, Owner, Reason, Side, Symbol
from app.fulfillment import desk as desk_module
from app.fulfillment import symbol as symbol_module
from tests.support.builders import LTCBTC, make_quote
from tests.support.waiting import eventually
from tests.unit.fulfillment.conftest import Shop

NEW, CANCELED, FILLED = OrderStatus.NEW, OrderStatus.CANCELED, OrderStatus.FILLED
PARTIALLY_FILLED = OrderStatus.PARTIALLY_FILLED
ALICE = Owner("alice")


@pytest.fixture
def _short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk_module, "CANCEL_SECONDS_MAX", 0.1)


async def test_a_cancel_returns_once_the_end_is_durable(shop: Shop) -> None:
    """The order ends once, even by two cancels at once, and no other order ends."""
    order, other = await shop.place(5), await shop.place(5)

    await asyncio.gather(shop.desk.cancel(order), shop.desk.cancel(order))

    assert shop.statuses(order) == [NEW, CANCELED]
    assert shop.last(order).reason is Reason.CANCELED_BY_CLIENT
    assert shop.statuses(other) == [NEW]
    shop.feed.push(make_quote(1, ask=("99.99", 50)))
    await shop.has_status(other, FILLED)
    assert shop.statuses(order) == [NEW, CANCELED]


async def test_a_cancel_waits_until_the_symbol_is_loaded(shop: Shop) -> None:
    """The orders are durable, but no matcher holds them until a failed read was retried."""
    shop.journal.load_failures_left = 3
    first, *others = [await shop.accept(5) for _ in range(3)]
    canceling = asyncio.create_task(shop.desk.cancel(first))
    await asyncio.sleep(0)
    assert not shop.feed.listeners

    canceled = await shop.desk.cancel_all(PUBLIC, LTCBTC)
    await canceling

    assert canceled == [order.order_id for order in others]
    assert shop.statuses(first) == [NEW, CANCELED]


async def test_a_cancel_waits_for_a_reload(shop: Shop) -> None:
    """The reload reads the orders of the dropped matcher again, and then the cancel runs."""
    order = await shop.place_and_fill(8)
    shop.desk.on_outcome_refused(LTCBTC)
    shop.journal.load_failures_left = 2

    await shop.desk.cancel(order)

    assert shop.statuses(order) == [NEW, PARTIALLY_FILLED, CANCELED]
    assert shop.last(order).filled_quantity == 5


async def test_a_cancel_that_comes_after_the_end_changes_nothing(shop: Shop) -> None:
    """An order that was filled, expired or canceled before keeps its status."""
    filled = await shop.place_and_fill()
    canceled = await shop.place(5)
    await shop.desk.cancel(canceled)
    written = len(shop.journal.outcomes)

    await shop.desk.cancel(filled)
    await shop.desk.cancel(canceled)

    assert shop.statuses(filled) == [NEW, FILLED]
    assert shop.statuses(canceled) == [NEW, CANCELED]
    assert len(shop.journal.outcomes) == written


async def test_a_cancel_for_a_symbol_that_ended_starts_nothing(shop: Shop) -> None:
    """An old order does not subscribe its symbol again."""
    order = await shop.place(5)
    await shop.desk.cancel(order)
    shop.desk._symbols[LTCBTC].end_lingering()
    await eventually(lambda: LTCBTC not in shop.desk._symbols)

    await shop.desk.cancel(order)

    assert shop.statuses(order) == [NEW, CANCELED]
    assert shop.feed.subscriptions == [f"+{LTCBTC}", f"-{LTCBTC}"]


@pytest.mark.parametrize(
    ("displayed", "statuses"), [(5, [NEW, FILLED]), (3, [NEW, PARTIALLY_FILLED, CANCELED])]
)
async def test_a_fill_that_came_first_stands(
    shop: Shop, displayed: int, statuses: list[OrderStatus]
) -> None:
    """The fill is not durable yet when the cancel arrives, and it is not undone."""
    order = await shop.place(5)
    shop.feed.push(make_quote(1, ask=("99.99", displayed)))
    assert shop.statuses(order) == [NEW]

    await shop.desk.cancel(order)

    assert shop.statuses(order) == statuses
    assert shop.last(order).filled_quantity == displayed
    assert [event.sequence for event in shop.journal.events_of(order)] == [
        *range(1, len(statuses) + 1)
    ]


async def test_nothing_is_canceled_while_the_journal_is_in_trouble(shop: Shop) -> None:
    """The caller gets the error at once, and the order continues after the recovery."""
    order = await shop.place(5)
    shop.journal.fail()

    with pytest.raises(JournalUnavailableError):
        await shop.desk.cancel(order)
    with pytest.raises(JournalUnavailableError):
        await shop.desk.cancel_all(PUBLIC, LTCBTC)

    shop.journal.recover()
    shop.feed.push(make_quote(1, ask=("99.99", 5)))
    await shop.has_status(order, FILLED)


@pytest.mark.usefixtures("_short_wait")
@pytest.mark.parametrize("is_of_all", [False, True], ids=["one", "all"])
async def test_trouble_during_a_cancel_leaves_its_outcome_unknown(
    shop: Shop, *, is_of_all: bool
) -> None:
    """The cancel ran and will be written later, so the order may be canceled already.

    No caller learns that nothing was done until writes succeed again. A cancel of all names no
    order, since some of the orders may be canceled.
    """
    order = await shop.place(5)
    shop.journal.fails_at_the_next_record = True

    def cancel() -> Awaitable[object]:
        return shop.desk.cancel_all(PUBLIC, LTCBTC) if is_of_all else shop.desk.cancel(order)

    with pytest.raises(OutcomeUnknownError, match="canceled") as told:
        await cancel()
    with pytest.raises(OutcomeUnknownError):
        await cancel()
    with pytest.raises(JournalUnavailableError):
        await shop.desk.cancel_all(ALICE, LTCBTC)

    assert told.value.order_id == (None if is_of_all else order.order_id)
    assert shop.statuses(order) == [NEW]
    shop.journal.recover()
    await shop.has_status(order, CANCELED)
    shop.journal.fail()
    with pytest.raises(JournalUnavailableError):
        await shop.desk.cancel_all(PUBLIC, LTCBTC)


@pytest.mark.usefixtures("_short_wait")
async def test_a_symbol_that_cannot_be_loaded_cancels_nothing(shop: Shop) -> None:
    """A caller that waited in vain knows that nothing was canceled, and that nothing will be."""
    shop.journal.load_failures_left = 10**9
    order = await shop.accept(5)

    with pytest.raises(JournalUnavailableError):
        await shop.desk.cancel(order)

    shop.journal.load_failures_left = 0
    await eventually(lambda: shop.feed.listeners)
    await shop.journal.settle()
    assert shop.statuses(order) == [NEW]


async def test_a_stopping_desk_cancels_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller gets the error at once, and the next start resumes the order unchanged."""
    monkeypatch.setattr(desk_module, "CANCEL_SECONDS_MAX", 3_600)
    order = await shop.place(5)
    shop.desk.stop()

    with pytest.raises(JournalUnavailableError):
        await asyncio.wait_for(shop.desk.cancel(order), timeout=5)

    assert shop.statuses(order) == [NEW]


async def test_an_order_found_at_a_start_can_be_canceled(shop: Shop) -> None:
    """A cancel that arrives during the recovery waits for it."""
    order = await shop.place(5)
    shop.restart()
    canceling = asyncio.create_task(shop.desk.cancel(order))
    await asyncio.sleep(0)
    async with shop.running():
        await canceling

    assert shop.statuses(order) == [NEW, CANCELED]


async def test_cancel_all_ends_one_owners_orders_of_one_symbol(shop: Shop) -> None:
    """Orders of both sides end in the order of acceptance. Other owners and symbols continue."""
    mine = [await shop.place(5), await shop.place(5, side=Side.SELL, limit_price=101)]
    hers = await shop.place(5, owner=ALICE)
    elsewhere = await shop.place(5, symbol=Symbol("ETHBTC"))

    canceled = await shop.desk.cancel_all(PUBLIC, LTCBTC)

    assert canceled == [order.order_id for order in mine]
    assert [shop.statuses(order)[-1] for order in (*mine, hers, elsewhere)] == [
        CANCELED,
        CANCELED,
        NEW,
        NEW,
    ]
    assert await shop.desk.cancel_all(PUBLIC, LTCBTC) == []
    assert await shop.desk.cancel_all(PUBLIC, Symbol("BNBBTC")) == []
    assert "+BNBBTC" not in shop.feed.subscriptions


async def test_thousands_of_orders_canceled_at_once_are_written_in_parts(shop: Shop) -> None:
    """Each part fits into a transaction, and all parts are durable when the call returns."""
    orders = [await shop.place(1) for _ in range(2_100)]
    shop.journal.outcomes.clear()

    canceled = await shop.desk.cancel_all(PUBLIC, LTCBTC)

    assert canceled == [order.order_id for order in orders]
    assert [len(outcome.events) for outcome in shop.journal.outcomes] == [500] * 4 + [100]
    assert sum(event.status is CANCELED for event in shop.journal.events) == 2_100


async def canceling_half_way(shop: Shop) -> tuple[list[Order], asyncio.Task[list[OrderId]]]:
    """Place orders, and begin to cancel all; return once the first of them ended."""
    orders = [await shop.place(1) for _ in range(20)]
    shop.journal.outcomes.clear()
    canceling = asyncio.create_task(shop.desk.cancel_all(PUBLIC, LTCBTC))
    while not shop.journal.outcomes:  # noqa: ASYNC110 - its turns are the loop's
        await asyncio.sleep(0)
    return orders, canceling


async def test_the_event_loop_runs_while_many_orders_are_canceled(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between batches a quote may fill the remaining orders, and a new order is not canceled."""
    monkeypatch.setattr(symbol_module, "ORDERS_PER_BATCH", 2)
    orders, canceling = await canceling_half_way(shop)

    shop.feed.push(make_quote(1, ask=("99.99", 3)))
    late = await shop.accept(1)
    canceled = await canceling
    await shop.journal.settle()

    filled = [order.order_id for order in orders if shop.statuses(order) == [NEW, FILLED]]
    assert len(filled) == 3
    assert canceled == [one.order_id for one in orders if one.order_id not in filled]
    assert all(len(shop.statuses(order)) == 2 for order in orders)
    assert shop.statuses(late) == [NEW]


@pytest.mark.usefixtures("_short_wait")
async def test_a_cancel_of_many_that_stops_half_way_leaves_its_outcome_unknown(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some orders are canceled, so "nothing was executed" would be wrong."""
    monkeypatch.setattr(symbol_module, "ORDERS_PER_BATCH", 2)
    orders, canceling = await canceling_half_way(shop)

    shop.journal.load_failures_left = 10**9
    shop.desk.on_outcome_refused(LTCBTC)
    with pytest.raises(OutcomeUnknownError):
        await canceling
    with pytest.raises(OutcomeUnknownError):
        await shop.desk.cancel_all(PUBLIC, LTCBTC)

    shop.journal.load_failures_left = 0
    canceled = await asyncio.wait_for(_cancel_until_told(shop), 5)
    assert canceled
    assert all(shop.statuses(order) == [NEW, CANCELED] for order in orders)


async def _cancel_until_told(shop: Shop) -> list[OrderId]:
    while True:
        try:
            return await shop.desk.cancel_all(PUBLIC, LTCBTC)
        except OutcomeUnknownError:
            await asyncio.sleep(0)
