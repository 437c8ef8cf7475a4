"""The stream of durable events, the same on SQLite and on PostgreSQL."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from app.domain.errors import JournalUnavailableError
from app.domain.events import StoredEvent
from app.domain.order import (
    PUBLIC,
    Arrival,
    Decision,
    OrderId,
    OrderStatus,
    Owner,
    Reason,
    Symbol,
    TimeInForce,
)
from app.ports import EventFilter
from app.storage import event_queries
from tests.support.builders import LTCBTC, make_order, make_quote
from tests.support.databases import OpenStorage, open_storage
from tests.support.faulty_writer import faulty_storage
from tests.support.outcomes import TICK, SymbolAtWork
from tests.support.waiting import eventually

ALICE, BOB = Owner("alice"), Owner("bob")
ETHBTC = Symbol("ETHBTC")
SECOND = timedelta(seconds=1)
END = 40
"""A position greater than any in the tests."""


def heard(storage: OpenStorage) -> list[StoredEvent]:
    """Return the announced events without the fields that are stored only with the order."""
    return [
        StoredEvent(
            position=position,
            event=replace(
                event, arrival=None, quotes_seen=0, departure_update_id=None, decision=None
            ),
        )
        for position, event in zip(storage.listener.positions, storage.listener.events, strict=True)
    ]


async def trade(storage: OpenStorage) -> None:
    """Record trades of two owners in two symbols: fills, each kind of end, and an idle order."""
    ltc, eth = SymbolAtWork(), SymbolAtWork(ETHBTC)
    orders = [
        make_order(8, number=1, owner=ALICE),
        make_order(5, number=2, owner=BOB, symbol=ETHBTC),
        make_order(5, number=3, owner=ALICE, symbol=ETHBTC),
        make_order(5, number=4, owner=BOB),
    ]
    for order in orders:
        await storage.journal.accept(order)
        (ltc if order.symbol == LTCBTC else eth).rest(order)
    outcomes = [
        ltc.meet(make_quote(11, ask=("99.99", 5))),
        eth.meet(make_quote(21, ask=("99.98", 3), symbol=ETHBTC)),
        ltc.meet(make_quote(12, ask=("99.5", 4))),
        eth.cancel(orders[2]),
        eth.expire(),
    ]
    for outcome in outcomes:
        storage.journal.record(outcome)
        await storage.journal.settle()


async def positions(
    storage: OpenStorage,
    event_filter: EventFilter,
    *,
    after: int = 0,
    until: int = END,
    limit: int = 100,
) -> list[int]:
    """Return the positions of the events that were read."""
    found = await storage.events.list_events(event_filter, after=after, until=until, limit=limit)
    return [one.position for one in found]


async def test_events_are_read_as_they_were_announced(storage: OpenStorage) -> None:
    """Events are read by position, with every field as announced; positions rise by commits."""
    await trade(storage)

    everything: list[StoredEvent] = []
    for owner in (ALICE, BOB):
        everything += await storage.events.list_events(
            EventFilter(owner=owner), after=0, until=END, limit=100
        )

    assert sorted(everything, key=lambda stored: stored.position) == heard(storage)
    assert {stored.event.status for stored in everything} == set(OrderStatus)
    assert {stored.event.reason for stored in everything} == {
        None,
        Reason.TIMEOUT,
        Reason.CANCELED_BY_CLIENT,
    }
    assert storage.listener.positions == sorted(set(storage.listener.positions))
    assert len(storage.listener.transactions) >= 5


@pytest.mark.parametrize("per_query", [1, 3, 20_000])
async def test_a_filter_admits_the_same_read_or_heard(
    storage: OpenStorage, monkeypatch: pytest.MonkeyPatch, per_query: int
) -> None:
    """A filter selects the same events when reading as when listening, for any query size."""
    monkeypatch.setattr(event_queries, "POSITIONS_PER_QUERY", per_query)
    await trade(storage)
    ids = [make_order(number=number).order_id for number in (1, 2, 3, 4)]
    filters = [
        EventFilter(owner=ALICE),
        EventFilter(owner=BOB),
        EventFilter(owner=PUBLIC),
        EventFilter(owner=ALICE, order_ids=frozenset(ids[:2])),
        EventFilter(owner=ALICE, symbols=frozenset({ETHBTC})),
        EventFilter(owner=ALICE, symbols=frozenset({ETHBTC, LTCBTC})),
        EventFilter(owner=ALICE, order_ids=frozenset(ids), symbols=frozenset({LTCBTC})),
        EventFilter(owner=BOB, order_ids=frozenset({OrderId("unknown")})),
    ]

    for event_filter in filters:
        admitted = [
            stored.position for stored in heard(storage) if event_filter.admits(stored.event.order)
        ]
        assert await positions(storage, event_filter, until=END) == admitted
    assert len(await positions(storage, filters[0], until=END)) == 6


@pytest.mark.parametrize("ids", [frozenset[OrderId](), frozenset({make_order().order_id})])
@pytest.mark.parametrize("per_query", [2, 20_000])
async def test_pages_follow_one_another_without_gap_or_overlap(
    storage: OpenStorage,
    monkeypatch: pytest.MonkeyPatch,
    per_query: int,
    ids: frozenset[OrderId],
) -> None:
    """A page starts after ``after``, ends with ``until``, and has at most ``limit`` events."""
    monkeypatch.setattr(event_queries, "POSITIONS_PER_QUERY", per_query)
    await trade(storage)
    alices = EventFilter(owner=ALICE, order_ids=ids)
    everything = await positions(storage, alices, until=END)

    pages: list[int] = []
    while page := await positions(storage, alices, after=max(pages, default=0), until=END, limit=2):
        assert len(page) <= 2
        pages += page

    assert pages == everything
    assert (
        await positions(storage, alices, after=everything[0], until=everything[2])
        == (everything[1:3])
    )
    assert await positions(storage, alices, after=everything[-1]) == []
    assert await positions(storage, alices, after=5, until=5) == []


async def test_numbers_that_were_never_used_are_passed_over(url: str) -> None:
    """The reader continues over the gap that a withdrawn order leaves."""
    async with faulty_storage(url) as (writer, storage):
        await storage.journal.accept(make_order(number=1))
        writer.connections_to_lose = 1
        with pytest.raises(JournalUnavailableError):
            await storage.journal.accept(make_order(number=2))
        await eventually(lambda: storage.journal.is_writable)
        await storage.journal.accept(make_order(number=3))

        assert storage.listener.positions == [1, 3]
        assert await positions(storage, EventFilter(owner=PUBLIC)) == [1, 3]


async def test_an_orders_events_come_by_sequence(storage: OpenStorage) -> None:
    """The events of an order are read after the given sequence, with their splits."""
    await trade(storage)
    order_id = make_order(number=1).order_id
    mine = [stored for stored in heard(storage) if stored.event.order.order_id == order_id]

    async def listed(after: int, limit: int) -> Sequence[StoredEvent]:
        return await storage.events.list_order_events(order_id, after=after, limit=limit)

    assert await listed(0, 10) == mine
    assert [stored.event.split is not None for stored in mine] == [False, True, True]
    assert await listed(1, 1) == mine[1:2]
    assert await listed(3, 10) == []
    assert await listed(2**70, 10) == []
    assert await storage.events.list_order_events(OrderId("unknown"), after=0, limit=10) == []


@pytest.mark.parametrize("price", [Decimal("101.5"), Decimal(0)])
async def test_what_an_order_met_is_stored_with_it(storage: OpenStorage, price: Decimal) -> None:
    """An order stores its first quote, also on an empty side, and the number of quotes since."""
    live, waiting = make_order(8, number=1), make_order(8, number=2, limit_price=99)
    arrival = Arrival(update_id=7, price=price)
    work = SymbolAtWork()
    await storage.journal.accept(live, arrival)
    await storage.journal.accept(waiting, None)
    before = await storage.orders.find_many(PUBLIC, [live.order_id, waiting.order_id])
    work.rest(waiting)
    storage.journal.record(work.meet(make_quote(11, ask=("99.99", 5))))
    storage.journal.record(work.meet(make_quote(12, ask=("99.00", 5))))
    await storage.journal.settle()

    after = await storage.orders.find_many(PUBLIC, [live.order_id, waiting.order_id])

    assert [(one.arrival, one.quotes_seen) for one in before] == [(arrival, 0), (None, 0)]
    assert [(one.arrival, one.quotes_seen) for one in after] == [
        (arrival, 0),
        (Arrival(update_id=11, price=Decimal("99.99")), 2),
    ]


@pytest.mark.parametrize("kind", [TimeInForce.IOC, TimeInForce.FOK])
async def test_what_decided_an_order_is_stored_with_its_end(
    storage: OpenStorage, kind: TimeInForce
) -> None:
    """IOC and FOK orders store their deciding quote exactly; other orders have none."""
    work = SymbolAtWork()
    filled = make_order("0.000000000001", number=1)
    reaching = make_order(8, number=2, time_in_force=kind)
    beyond = make_order(8, number=3, limit_price=50, time_in_force=kind)
    empty = make_order(8, number=4, time_in_force=kind)
    orders = (filled, reaching, beyond, empty)
    for order in orders:
        await storage.journal.accept(order)
    acts = [
        *(work.rest(order) for order in orders[:3]),
        work.meet(make_quote(11, ask=("99.99", 5))),
        work.meet(make_quote(12, ask=(0, 0), bid=(1, 1))),
        work.rest(empty),
    ]
    for act in acts:
        storage.journal.record(act)
    await storage.journal.settle()

    found = await storage.orders.find_many(PUBLIC, [order.order_id for order in orders])

    at_best_ask = Decision(
        price=Decimal("99.99"),
        displayed_quantity=Decimal(5),
        taken_quantity=Decimal("0.000000000001"),
    )
    after_all = Decimal(5) if kind is TimeInForce.IOC else at_best_ask.taken_quantity
    nothing = Decision(price=Decimal(0), displayed_quantity=Decimal(0), taken_quantity=Decimal(0))
    assert [(one.decision, one.departure_update_id) for one in found] == [
        (None, 11),
        (at_best_ask, 11),
        (replace(at_best_ask, taken_quantity=after_all), 11),
        (nothing, 12),
    ]


async def test_a_start_goes_on_above_what_is_stored_where_less_was_pruned(url: str) -> None:
    """A start continues after the stored numbers if they are greater than the pruned ones."""
    async with open_storage(url) as storage:
        await storage.execute("UPDATE event_stream SET last_pruned_position = 1")
        for number in (1, 2, 3):
            await storage.journal.accept(make_order(number=number))
    async with open_storage(url) as storage:
        assert (storage.database.last_acceptance_number, storage.database.last_position) == (3, 3)
        assert storage.journal.next_acceptance_number() == 4
        await storage.journal.accept(make_order(number=4))
        assert storage.listener.positions == [4]


async def test_a_start_knows_the_newest_time_of_the_open_orders(url: str) -> None:
    """The service's time begins after it. The times of orders that ended do not count."""
    instants: list[datetime | None] = []
    partly = make_order(10, number=1)
    ended = replace(make_order(1, number=2, symbol=ETHBTC), accepted_at=partly.accepted_at + SECOND)
    newer = make_order(1, number=3, limit_price=1, accepted_at=partly.accepted_at + 3 * SECOND)
    async with open_storage(url) as storage:
        instants.append(storage.database.newest_open_at)
        await storage.journal.accept(partly)
        await storage.journal.accept(ended)
        gone = SymbolAtWork(ETHBTC, since=partly.accepted_at + 9 * SECOND)
        storage.journal.record(gone.rest(ended))
        storage.journal.record(gone.cancel(ended))
        await storage.journal.settle()
    async with open_storage(url) as storage:
        instants.append(storage.database.newest_open_at)
        work = SymbolAtWork(since=partly.accepted_at + 2 * SECOND - 2 * TICK)
        storage.journal.record(work.rest(partly))
        storage.journal.record(work.meet(make_quote(7, ask=(99, 1))))
        await storage.journal.settle()
    async with open_storage(url) as storage:
        instants.append(storage.database.newest_open_at)
        await storage.journal.accept(newer)
    async with open_storage(url) as storage:
        instants.append(storage.database.newest_open_at)

    accepted_at = partly.accepted_at
    assert instants == [None, accepted_at, accepted_at + 2 * SECOND, newer.accepted_at]


async def test_a_stream_keeps_its_name(url: str) -> None:
    """The name of the stream survives a restart, so positions stay valid."""
    async with open_storage(url) as storage:
        first = storage.events.stream_id
    async with open_storage(url) as storage:
        again = storage.events.stream_id

    assert first == again
    assert len(first) == 16
