"""Tests of ``app.fulfillment.symbol``."""

import asyncio
from decimal import Decimal

import pytest

from app.domain.events import StoredEvent, acceptance_event
from app.domain.order import PUBLIC, Arrival, OrderStatus, Reason
from app.fulfillment import loading
from tests.support.builders import LTCBTC, make_order, make_quote
from tests.support.waiting import eventually
from tests.unit.fulfillment.conftest import Shop


@pytest.mark.parametrize(
    "reason", [Reason.NO_MARKET_DATA, Reason.TIMEOUT, Reason.TIMEOUT_DURING_OUTAGE]
)
async def test_an_order_expires_after_its_deadline(shop: Shop, reason: Reason) -> None:
    """The timer of the earliest deadline ends the order.

    The reason tells a price that was not reached from a missing quote and a feed that is down.
    """
    order = await shop.place(5, timeout_seconds=Decimal("0.02"))
    if reason is not Reason.NO_MARKET_DATA:
        shop.feed.push(make_quote(1, ask=("101", 5)))
    if reason is Reason.TIMEOUT_DURING_OUTAGE:
        shop.feed.interrupt()

    shop.clock.advance(0.021)

    await shop.has_status(order, OrderStatus.EXPIRED)
    assert shop.last(order).reason is reason


@pytest.mark.parametrize(
    ("late_ns", "status"), [(0, OrderStatus.FILLED), (1, OrderStatus.EXPIRED)], ids=["at", "after"]
)
async def test_a_quote_received_at_the_deadline_fills_and_a_later_one_does_not(
    shop: Shop, late_ns: int, status: OrderStatus
) -> None:
    """A late timer does not extend the order's time."""
    order = await shop.place(5, timeout_seconds=Decimal(3))
    shop.feed.push(make_quote(1, ask=("101", 5)))
    received_ns = shop.clock.monotonic_ns() + 3_000_000_000 + late_ns

    shop.feed.push(make_quote(2, ask=("99.99", 5), received_ns=received_ns))

    await shop.has_status(order, status)


async def test_a_later_order_with_an_earlier_deadline_expires_first(shop: Shop) -> None:
    """The timer restarts when an order with an earlier deadline arrives."""
    patient = await shop.place(5, timeout_seconds=Decimal(30))
    hasty = await shop.place(5, timeout_seconds=Decimal("0.02"))

    shop.clock.advance(0.021)

    await shop.has_status(hasty, OrderStatus.EXPIRED)
    assert shop.statuses(patient) == [OrderStatus.NEW]


async def test_a_stale_seed_is_requested_again(shop: Shop) -> None:
    """A snapshot older than the gate never fills."""
    await shop.place(5)
    shop.feed.push(make_quote(10, ask=("101", 5)))
    shop.feed.interrupt()

    assert not shop.feed.seed(make_quote(9, ask=("99.99", 5)))
    assert shop.desk.current_quote(LTCBTC) is None
    assert shop.feed.seed(make_quote(10, ask=("101", 5)))
    assert shop.desk.current_quote(LTCBTC) is not None


async def test_a_stale_seed_after_a_frame_is_ignored(shop: Shop) -> None:
    """Once the connection sent a frame, the symbol needs no seed."""
    order = await shop.place(5)
    shop.feed.push(make_quote(10, ask=("101", 5)))

    assert shop.feed.seed(make_quote(9, ask=("99.99", 5)))

    assert shop.statuses(order) == [OrderStatus.NEW]


async def test_lower_seeds_over_ten_seconds_are_a_reset_that_keeps_the_ledger(shop: Shop) -> None:
    """Three lower seeds on a new connection make the seed's id the gate.

    Restarted update ids do not make displayed quantity new.
    """
    order = await shop.place(20)
    shop.feed.push(make_quote(1_000, ask=("99.99", 5)))
    shop.feed.interrupt()

    verdicts = [
        shop.feed.seed(make_quote(number, ask=("99.99", 6), received_ns=seconds * 1_000_000_000))
        for number, seconds in ((1, 0), (2, 5), (3, 10))
    ]

    assert verdicts == [False, False, True]
    await eventually(lambda: len(shop.journal.events_of(order)) == 3)
    assert shop.last(order).filled_quantity == 6


async def test_a_symbol_ends_after_lingering_and_remembers_its_ledger(shop: Shop) -> None:
    """Gate and ledger are stored, and the symbol's next order starts with them."""
    await shop.place_and_fill(5, displayed=8)
    shop.feed.push(make_quote(2, ask=("99.99", 7)))

    shop.desk._symbols[LTCBTC].end_lingering()
    await eventually(lambda: LTCBTC not in shop.feed.listeners)

    second = await shop.place(5)
    assert not shop.feed.seed(make_quote(1, ask=("99.99", 5)))
    shop.feed.seed(make_quote(2, ask=("99.99", 7)))
    await shop.has_status(second, OrderStatus.PARTIALLY_FILLED)
    assert shop.last(second).filled_quantity == 2


async def test_an_order_that_comes_while_the_symbol_ends_keeps_it(shop: Shop) -> None:
    """A new order stops the end of the symbol."""
    await shop.place_and_fill()
    shop.journal.is_writable = False
    shop.desk._symbols[LTCBTC].end_lingering()
    await eventually(lambda: shop.journal._queued)
    shop.journal.is_writable = True

    second = await shop.place(5)
    shop.journal.recover()
    shop.feed.push(make_quote(2, ask=("99.99", 10)))

    await shop.has_status(second, OrderStatus.FILLED)
    assert shop.feed.subscriptions == [f"+{LTCBTC}"]


async def test_a_failure_stops_its_symbol_only_until_the_reload(shop: Shop) -> None:
    """A failing matcher is dropped, and the database holds the truth."""
    order = await shop.place(5)
    shop.feed.push(make_quote(1, ask=("101", 5)))
    shop.desk._symbols[LTCBTC]._matcher.quotes_applied = None  # type: ignore[union-attr]  # the mistake

    shop.feed.push(make_quote(2, ask=("99.99", 5)))
    await eventually(lambda: shop.feed.subscriptions == [f"{sign}{LTCBTC}" for sign in "+-+"])
    shop.feed.push(make_quote(3, ask=("99.99", 5)))

    await shop.has_status(order, OrderStatus.FILLED)


async def test_a_symbol_that_starts_while_writing_fails_holds(shop: Shop) -> None:
    """Nothing fills before the journal writes again, even on a symbol loaded meanwhile."""
    order = await shop.place(5)
    shop.journal.is_writable = False
    await shop.reload()
    shop.feed.push(make_quote(1, ask=("99.99", 5)))
    assert shop.statuses(order) == [OrderStatus.NEW]

    shop.journal.recover()

    await shop.has_status(order, OrderStatus.FILLED)


async def test_a_reload_waits_until_earlier_fills_are_stored(shop: Shop) -> None:
    """The reloaded ledger includes fills that were still queued, so nothing is sold twice."""
    order = await shop.place(8)
    shop.journal.is_writable = False
    shop.feed.push(make_quote(1, ask=("99.99", 5)))
    shop.desk.on_outcome_refused(LTCBTC)
    await asyncio.sleep(0.05)  # longer than the pause before a reload
    assert shop.feed.subscriptions == [f"+{LTCBTC}", f"-{LTCBTC}"]

    shop.journal.recover()
    await eventually(lambda: shop.feed.subscriptions == [f"{sign}{LTCBTC}" for sign in "+-+"])
    shop.feed.push(make_quote(2, ask=("99.99", 5)))
    await shop.journal.settle()

    assert shop.last(order).filled_quantity == 5
    assert shop.statuses(order) == [OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED]


async def test_an_order_found_by_a_reload_is_not_rested_twice(shop: Shop) -> None:
    """An acceptance announced after the reload read the order changes nothing."""
    order = await shop.place(5)
    shop.journal.settle_delay_after_load = asyncio.Event()
    await shop.reload()

    shop.desk.on_durable([StoredEvent(position=1, event=shop.journal.events_of(order)[0])])
    shop.journal.settle_delay_after_load.set()
    shop.feed.push(make_quote(1, ask=("99.99", 50)))

    await shop.has_status(order, OrderStatus.FILLED)
    assert shop.statuses(order) == [OrderStatus.NEW, OrderStatus.FILLED]


async def test_orders_of_one_commit_meet_the_quote_by_priority(shop: Shop) -> None:
    """The fills are recorded together, and each order fills as if it had come alone."""
    await shop.place(5, limit_price=1)
    shop.feed.push(make_quote(1, ask=("99.99", 7)))
    first, second = (make_order(5, number=number, limit_price=100) for number in (10, 11))
    shop.journal.outcomes.clear()

    shop.journal._tell([acceptance_event(first), acceptance_event(second)])

    await shop.has_status(first, OrderStatus.FILLED)
    await shop.has_status(second, OrderStatus.PARTIALLY_FILLED)
    assert [len(outcome.events) for outcome in shop.journal.outcomes] == [2]


async def test_an_order_whose_time_passed_during_its_commit_meets_no_quote(shop: Shop) -> None:
    """A quote received after the deadline does not fill, even if it is the current quote."""
    watching = await shop.place(5, limit_price=1)
    shop.journal.accept_delay = asyncio.Event()
    placing = asyncio.create_task(shop.place(5, timeout_seconds=Decimal("0.1")))
    await eventually(lambda: shop.journal.waiting_to_accept)
    shop.clock.advance(0.3)
    received_ns = shop.clock.monotonic_ns()
    shop.feed.push(make_quote(1, ask=("99.99", 5), received_ns=received_ns))

    shop.journal.accept_delay.set()
    order = await placing

    await shop.has_status(order, OrderStatus.EXPIRED)
    assert shop.last(order).filled_quantity == 0
    assert shop.statuses(watching) == [OrderStatus.NEW]


async def test_an_order_whose_time_passed_while_writing_failed_is_not_filled_afterwards(
    shop: Shop,
) -> None:
    """After a recovery the current quote fills no order whose deadline was before its receipt."""
    order = await shop.place(5, timeout_seconds=Decimal(3))
    shop.journal.fail()
    late_ns = shop.clock.monotonic_ns() + 3_000_000_001
    shop.desk._symbols[LTCBTC]._matcher.apply_quote(  # type: ignore[union-attr]  # before any timer
        make_quote(1, ask=("99.99", 5), received_ns=late_ns)
    )

    shop.journal.recover()

    await shop.has_status(order, OrderStatus.EXPIRED)


async def test_lingering_is_counted_from_the_last_order(shop: Shop) -> None:
    """An order that fills at once restarts the lingering of its symbol."""
    await shop.place_and_fill(5, displayed=50)
    fulfillment = shop.desk._symbols[LTCBTC]
    first_end = fulfillment._linger._handle
    assert first_end is not None

    second = await shop.place(5)
    await shop.has_status(second, OrderStatus.FILLED)

    assert first_end.cancelled()
    assert fulfillment._linger._handle is not None
    assert fulfillment._linger._handle.when() > first_end.when()


async def test_a_symbol_with_nothing_left_after_a_reload_ends_as_well(shop: Shop) -> None:
    """A reloaded symbol without orders does not stay subscribed permanently."""
    await shop.place_and_fill()
    await shop.reload()

    assert shop.desk._symbols[LTCBTC]._linger._handle is not None


async def test_thousands_of_orders_that_expire_at_once_are_written_in_parts(shop: Shop) -> None:
    """Each part fits into a transaction, and the ledger goes with the first part."""
    await shop.place(1, limit_price=200)
    for _ in range(2_100):
        await shop.place(1, timeout_seconds=Decimal(1))
    shop.feed.push(make_quote(1, ask=("150", 1)))
    shop.journal.outcomes.clear()

    late_ns = shop.clock.monotonic_ns() + 1_000_000_001
    shop.feed.push(make_quote(2, ask=("150", 1), received_ns=late_ns))
    await shop.journal.settle()

    sizes = [len(outcome.events) for outcome in shop.journal.outcomes]
    assert sizes == [512, 512, 512, 512, 52]
    assert sum(event.status is OrderStatus.EXPIRED for event in shop.journal.events) == 2_100


async def test_many_open_orders_are_loaded_in_batches(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No order is missed, late orders end first, and a cancel waits until all orders rest."""
    open_still = [await shop.place(1) for _ in range(20)]
    late = [await shop.place(1, timeout_seconds=Decimal(1)) for _ in range(20)]
    shop.clock.advance(2)
    monkeypatch.setattr(loading, "ORDERS_PER_BATCH", 2)

    shop.restart()
    async with shop.running():
        canceled = await shop.desk.cancel_all(PUBLIC, LTCBTC)

    assert canceled == [order.order_id for order in open_still]
    for order in late:
        assert shop.statuses(order) == [OrderStatus.NEW, OrderStatus.EXPIRED]


async def test_a_gate_that_was_reset_stays_so_after_a_crash(shop: Shop) -> None:
    """A resting order met a higher update id before the reset, but it does not raise the gate."""
    patient = await shop.place(5, limit_price=1)
    shop.feed.push(make_quote(700, ask=("101", 5)))
    await shop.place(5, limit_price=1)
    shop.feed.interrupt()
    for seconds in (0, 5, 6):
        shop.clock.advance(seconds)
        received_ns = shop.clock.monotonic_ns()
        shop.feed.seed(make_quote(6, ask=("101", 5), received_ns=received_ns))
    shop.feed.push(make_quote(7, ask=("1", 1)))
    await shop.has_status(patient, OrderStatus.PARTIALLY_FILLED)
    async with shop.restarted(is_clean=False):
        await eventually(lambda: LTCBTC in shop.feed.listeners)

        shop.feed.push(make_quote(8, ask=("1", 9)))

        await shop.has_status(patient, OrderStatus.FILLED)


async def test_an_arrival_before_a_crash_raises_the_gate(shop: Shop) -> None:
    """The quote filled nothing, so the gate was not written, but the order's arrival was."""
    await shop.place(5)
    shop.feed.push(make_quote(7, ask=("101", 5)))
    late = await shop.place(5)
    async with shop.restarted(is_clean=False):
        await eventually(lambda: LTCBTC in shop.feed.listeners)
        await shop.desk.cancel(late)

        end = shop.last(late)
        assert end.status is OrderStatus.CANCELED
        assert end.arrival == Arrival(update_id=7, price=Decimal(101))
        assert end.departure_update_id == 7
