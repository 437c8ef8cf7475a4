"""The promises of the journal and the queries, the same on SQLite and on PostgreSQL."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from sqlalchemy import select

from app.domain.amounts import EXACT
from app.domain.errors import ClientOrderIdTakenError, JournalUnavailableError
from app.domain.events import SymbolOutcome, acceptance_event
from app.domain.liquidity import TakenLevel
from app.domain.order import (
    PUBLIC,
    Order,
    OrderId,
    OrderStatus,
    Owner,
    Reason,
    Side,
    Symbol,
    TimeInForce,
)
from app.domain.rules import TradingRules
from app.ports import OrderQuery, StoredLedger, StoredRules
from app.storage.journal.batch import Batch
from app.storage.journal.rows import Part
from app.storage.schema.tables import (
    client_order_ids,
    fulfilled_order_splits,
    fulfilled_orders,
    order_events,
    orders,
    taken_liquidity,
)
from tests.support.builders import ACCEPTED_AT, LTCBTC, make_order, make_quote
from tests.support.databases import OpenStorage, open_storage
from tests.support.outcomes import SymbolAtWork

ETHBTC = Symbol("ETHBTC")
ALICE = Owner("alice")


def page(**asked: object) -> OrderQuery:
    """Return a query for the public owner's orders, with the given fields replaced."""
    everything = OrderQuery(
        owner=PUBLIC, symbol=None, status=None, client_order_id=None, before=None, limit=100
    )
    return replace(everything, **asked)  # type: ignore[arg-type]  # the names are OrderQuery's


async def record(storage: OpenStorage, *outcomes: SymbolOutcome) -> None:
    """Record outcomes and wait until they are durable."""
    for outcome in outcomes:
        storage.journal.record(outcome)
    await storage.journal.settle()


async def test_an_accepted_order_is_found_as_it_was_given(storage: OpenStorage) -> None:
    """Accepting returns once the order is durable, with every field exact."""
    east = timezone(timedelta(hours=5, minutes=30))
    order = Order(
        order_id=OrderId("0199c0de-0000-7000-8000-00000000000a"),
        acceptance_number=storage.journal.next_acceptance_number(),
        owner=ALICE,
        client_order_id="mine-1",
        symbol=Symbol("币安人生USDT"),
        side=Side.SELL,
        time_in_force=TimeInForce.GTD,
        quantity=Decimal("1234567890123456.123456789012"),
        limit_price=Decimal("0.000000000001"),
        accepted_at=datetime(2026, 11, 23, 16, 46, 37, tzinfo=UTC),
        expires_at=datetime(2026, 11, 23, 22, 17, 7, 1, tzinfo=east),
    )

    await storage.journal.accept(order)

    found = await storage.orders.find(ALICE, order.order_id)
    assert found is not None
    assert found.order == order
    assert (found.status, found.reason, found.closed_at) == (OrderStatus.NEW, None, None)
    assert found.filled_quantity == 0
    assert (found.splits_total, found.last_sequence) == (0, 1)
    assert str(found.order.quantity) == "1234567890123456.123456789012"


async def test_an_order_is_its_owners_alone(storage: OpenStorage) -> None:
    """An owner cannot find or list the orders of another owner."""
    order = make_order(number=1)
    await storage.journal.accept(order)

    assert await storage.orders.find(ALICE, order.order_id) is None
    assert await storage.orders.list_orders(page(owner=ALICE)) == []


async def test_an_id_that_no_order_can_have_is_not_found(storage: OpenStorage) -> None:
    """Any text as id and any number as cursor gets an answer, not an error."""
    for text in ("", "nothing", "\x00", "\ud800", "0" * 5000):
        order_id = OrderId(text)

        assert await storage.orders.find(PUBLIC, order_id) is None
        assert await storage.orders.list_splits(order_id, after=2**70, limit=10) == []
        assert await storage.orders.list_orders(page(symbol=Symbol(text), before=2**70)) == []


async def test_an_order_filled_in_two_splits_is_stored_consistently(
    storage: OpenStorage,
) -> None:
    """Splits, events, the order and its row in ``fulfilled_orders`` agree."""
    order = make_order(8, number=1)
    work = SymbolAtWork()
    await storage.journal.accept(order)

    await record(
        storage,
        work.rest(order),
        work.meet(make_quote(11, ask=("99.99", 5))),
        work.meet(make_quote(12, ask=("99.5", 4))),
    )

    found = await storage.orders.find(PUBLIC, order.order_id)
    splits = await storage.orders.list_splits(order.order_id, after=0, limit=10)
    assert found is not None
    assert found.status is OrderStatus.FILLED
    assert found.filled_quantity == 8
    assert found.quote_quantity == Decimal("798.45")
    assert found.closed_at == storage.listener.events[-1].at
    assert (found.splits_total, found.last_sequence) == (2, 3)
    assert [(split.update_id, split.price, split.quantity) for split in splits] == [
        (11, Decimal("99.99"), Decimal(5)),
        (12, Decimal("99.5"), Decimal(3)),
    ]
    assert splits == [event.split for event in storage.listener.events if event.split]
    assert splits[1:] == await storage.orders.list_splits(order.order_id, after=1, limit=10)
    assert await storage.rows(
        "SELECT position, sequence, status, reason, split_number FROM order_events ORDER BY 1"
    ) == [
        (1, 1, "NEW", None, None),
        (2, 2, "PARTIALLY_FILLED", None, 1),
        (3, 3, "FILLED", None, 2),
    ]
    [fulfilled] = await storage.rows(
        "SELECT id, symbol, side, quantity, price, average_price FROM fulfilled_orders"
    )
    assert fulfilled[:3] == (order.order_id, "LTCBTC", "BUY")
    assert [Decimal(amount) for amount in fulfilled[3:]] == [8, 100, Decimal("99.80625")]


@pytest.mark.parametrize("is_canceled", [False, True], ids=["expired", "canceled"])
async def test_an_unfilled_order_keeps_its_splits_and_its_reason(
    storage: OpenStorage,
    is_canceled: bool,  # noqa: FBT001 - a parameter
) -> None:
    """The order keeps its splits and its reason, and has no row in ``fulfilled_orders``."""
    order = make_order(8, number=1)
    work = SymbolAtWork()
    await storage.journal.accept(order)
    acts = [work.rest(order), work.meet(make_quote(11, ask=("99.99", 5)))]

    await record(storage, *acts, work.cancel(order) if is_canceled else work.expire())

    found = await storage.orders.find(PUBLIC, order.order_id)
    assert found is not None
    assert (found.status, found.reason) == (
        (OrderStatus.CANCELED, Reason.CANCELED_BY_CLIENT)
        if is_canceled
        else (OrderStatus.EXPIRED, Reason.TIMEOUT)
    )
    assert found.filled_quantity == 5
    assert (found.splits_total, found.last_sequence) == (1, 3)
    assert found.closed_at == storage.listener.events[-1].at
    assert len(await storage.orders.list_splits(order.order_id, after=0, limit=10)) == 1
    assert await storage.orders.list_unfinished_symbols() == []
    assert await storage.rows("SELECT id FROM fulfilled_orders") == []


async def test_an_order_is_accepted_and_filled_in_one_transaction(storage: OpenStorage) -> None:
    """One group may contain an order and all its later events."""
    order = make_order(5, number=1)
    work = SymbolAtWork()
    work.rest(order)
    accepting = asyncio.create_task(storage.journal.accept(order))
    await asyncio.sleep(0)

    storage.journal.record(work.meet(make_quote(11, ask=("99.99", 5))))
    await accepting

    found = await storage.orders.find(PUBLIC, order.order_id)
    assert found is not None
    assert found.status is OrderStatus.FILLED
    assert storage.listener.transactions == [2]


async def test_a_batch_written_twice_changes_nothing(storage: OpenStorage) -> None:
    """Writing a batch again has no effect, even after later batches."""
    order = replace(make_order(8, number=1), client_order_id="mine-1")
    work = SymbolAtWork()
    parts = [Part(content=order, events=(acceptance_event(order),), position=1)]
    for position, outcome in enumerate(
        (work.rest(order), *(work.meet(make_quote(n, ask=("99.99", n))) for n in (1, 2, 3)))
    ):
        parts.append(Part(content=outcome, events=outcome.events, position=1 + position))
    tables = (
        *(orders, order_events, fulfilled_orders, fulfilled_order_splits, taken_liquidity),
        client_order_ids,
    )
    first, all_of_it = (Batch(some, storage.database.epoch) for some in (parts[:2], parts))
    await storage.database.write(all_of_it.write)
    before = [await storage.database.read(select(table)) for table in tables]

    await storage.database.write(first.write)
    await storage.database.write(all_of_it.write)

    assert [await storage.database.read(select(table)) for table in tables] == before
    assert all_of_it.refused == []
    assert all_of_it.taken_keys == {}


async def test_an_order_never_goes_back_to_an_older_event(storage: OpenStorage) -> None:
    """The state of an order changes only to the state after a newer event."""
    order = make_order(8, number=1)
    work = SymbolAtWork()
    await storage.journal.accept(order)
    older = [work.rest(order), work.meet(make_quote(11, ask=("99.99", 5)))]
    await record(storage, *older, work.meet(make_quote(12, ask=("99.5", 4))))

    await record(storage, *older)

    found = await storage.orders.find(PUBLIC, order.order_id)
    assert found is not None
    assert (found.status, found.last_sequence) == (OrderStatus.FILLED, 3)


async def test_the_ledger_has_the_last_written_levels(storage: OpenStorage) -> None:
    """Levels are written, replaced and forgotten by exact price, within and across batches."""

    def outcome(gate: int, **quantities: str) -> SymbolOutcome:
        levels = [
            TakenLevel(
                owner=PUBLIC,
                side=Side.BUY,
                price=Decimal(price.removeprefix("at").replace("_", ".")),
                quantity=Decimal(quantity),
            )
            for price, quantity in quantities.items()
        ]
        return SymbolOutcome(symbol=LTCBTC, events=(), ledger_changes=tuple(levels), gate=gate)

    await record(storage, outcome(7, at100="5", at100_1="3"), outcome(8, at100_10="0", at99="1"))
    await record(storage, outcome(9, at100_0="2.50"), outcome(10, at99="0"), outcome(11, at99="4"))
    await record(storage, replace(outcome(1, at100="1"), symbol=ETHBTC))

    ledger = await storage.orders.load_ledger(LTCBTC)
    assert ledger.gate == 11
    assert {level.price: level.quantity for level in ledger.levels} == {
        Decimal(100): Decimal("2.5"),
        Decimal(99): Decimal(4),
    }
    assert {level.owner for level in ledger.levels} == {PUBLIC}


async def test_the_gate_outlives_an_empty_ledger(storage: OpenStorage) -> None:
    """A symbol without ledger levels keeps its gate."""
    await record(storage, SymbolOutcome(symbol=LTCBTC, events=(), ledger_changes=(), gate=42))
    await record(storage, SymbolOutcome(symbol=ETHBTC, events=(), ledger_changes=(), gate=0))

    assert await storage.orders.load_ledger(LTCBTC) == StoredLedger(gate=42, levels=())
    assert await storage.orders.load_ledger(ETHBTC) == StoredLedger(gate=0, levels=())


async def test_unfinished_orders_come_back_by_acceptance(storage: OpenStorage) -> None:
    """Recovery reads exactly the open orders, by acceptance number."""
    work = SymbolAtWork()
    accepted = [
        make_order(5, number=3),
        make_order(7, number=1, limit_price=99),
        make_order(5, number=2, symbol=ETHBTC),
    ]
    for order in accepted:
        await storage.journal.accept(order)
    await record(
        storage,
        work.rest(accepted[0]),
        work.rest(accepted[1]),
        work.meet(make_quote(9, ask=("98", 6))),
    )

    symbols = await storage.orders.list_unfinished_symbols()
    everything = [one for symbol in symbols for one in await storage.orders.load_unfinished(symbol)]

    assert symbols == [LTCBTC, ETHBTC]
    assert [one.order.acceptance_number for one in everything] == [1, 2]
    assert everything[0].filled_quantity == 1
    ids = [one.order.order_id for one in everything]
    assert everything == await storage.orders.find_many(PUBLIC, ids)


async def test_orders_are_listed_in_pages_newest_first(storage: OpenStorage) -> None:
    """Pages follow without gap or overlap, also with filters for symbol, status and key."""
    work = SymbolAtWork()
    for number in range(1, 8):
        symbol = ETHBTC if number % 3 == 0 else LTCBTC
        await storage.journal.accept(make_order(number=number, symbol=symbol))
    await storage.journal.accept(make_order(number=8, owner=ALICE, client_order_id="mine-1"))
    await storage.journal.accept(make_order(number=9, client_order_id="mine-1"))
    work.rest(make_order(5, number=1))
    await record(storage, work.meet(make_quote(9, ask=("99", 6))))

    async def numbers(query: OrderQuery) -> list[int]:
        found = await storage.orders.list_orders(query)
        return [one.order.acceptance_number for one in found]

    assert await numbers(page(limit=4)) == [9, 7, 6, 5]
    assert await numbers(page(limit=3, before=5)) == [4, 3, 2]
    assert await numbers(page(limit=3, before=2)) == [1]
    assert await numbers(page(symbol=ETHBTC)) == [6, 3]
    assert await numbers(page(status=OrderStatus.FILLED)) == [1]
    assert await numbers(page(symbol=LTCBTC, status=OrderStatus.NEW, before=7)) == [5, 4, 2]
    assert await numbers(page(symbol=ETHBTC, status=OrderStatus.FILLED)) == []
    assert await numbers(page(owner=ALICE)) == [8]
    assert await numbers(page(client_order_id="mine-1")) == [9]
    assert await numbers(page(client_order_id="mine-1", owner=ALICE)) == [8]
    assert await numbers(page(client_order_id="mine-1", status=OrderStatus.FILLED)) == []
    assert await numbers(page(client_order_id="mine-1", before=9)) == []
    assert await numbers(page(client_order_id="mine-2")) == []


async def test_the_longest_amounts_stay_exact(storage: OpenStorage) -> None:
    """A price of 28 digits times a quantity of 28 digits keeps all 56 digits."""
    quantity, price = (
        Decimal("9876543210987654.321098765432"),
        Decimal("9999999999999999.999999999999"),
    )
    order = make_order(quantity, number=1, limit_price=price)
    work = SymbolAtWork()
    await storage.journal.accept(order)

    await record(
        storage, work.rest(order), work.meet(make_quote(1, bid=(0, 0), ask=(price, quantity)))
    )

    found = await storage.orders.find(PUBLIC, order.order_id)
    [split] = await storage.orders.list_splits(order.order_id, after=0, limit=1)
    assert found is not None
    assert found.quote_quantity == EXACT.multiply(price, quantity)
    assert (str(split.price), str(split.quantity)) == (str(price), str(quantity))
    assert (await storage.orders.load_ledger(LTCBTC)).levels[0].quantity == quantity


async def test_the_trading_rules_survive_a_restart(url: str) -> None:
    """The newest copy of the rules is stored exactly."""
    rules = TradingRules(
        symbol=Symbol("币安人生USDT"),
        status="TRADING",
        base_asset="币安人生",
        quote_asset="USDT",
        tick_size=Decimal("0.00000001"),
        quantity_max=Decimal("92141578.00000000"),
    )
    async with open_storage(url) as storage:
        assert await storage.orders.load_trading_rules() is None
        older = StoredRules(rules=(), fetched_at=ACCEPTED_AT)
        await storage.orders.save_trading_rules(older)
        newer = StoredRules(rules=(rules,), fetched_at=ACCEPTED_AT + timedelta(hours=1))
        await storage.orders.save_trading_rules(newer)

    async with open_storage(url) as storage:
        assert await storage.orders.load_trading_rules() == newer


async def test_a_refused_order_fails_alone(storage: OpenStorage) -> None:
    """A taken key or a violated constraint does not fail the other orders of the batch."""
    first = replace(make_order(number=1, owner=ALICE), client_order_id="mine-1")
    twin = replace(make_order(number=2, owner=ALICE), client_order_id="mine-1")
    await storage.journal.accept(first)

    results = await asyncio.gather(
        storage.journal.accept(twin),
        storage.journal.accept(make_order(number=3)),
        storage.journal.accept(make_order(number=1, order_id=make_order(number=9).order_id)),
        storage.journal.accept(make_order(number=4)),
        return_exceptions=True,
    )

    refused = [number for number, result in enumerate(results) if result is not None]
    assert refused == [0, 2]
    assert [type(results[number]) for number in refused] == [
        ClientOrderIdTakenError,
        JournalUnavailableError,
    ]
    assert await storage.rows("SELECT acceptance_number FROM orders ORDER BY 1") == [
        (1,),
        (3,),
        (4,),
    ]
    assert storage.listener.heard == ["0001/1", "0003/1", "0004/1"]
    assert storage.journal.is_writable


async def test_a_refused_outcome_fails_its_symbol_alone(storage: OpenStorage) -> None:
    """A refused outcome takes only later outcomes of its symbol with it."""
    sound, broken = make_order(5, number=1, symbol=ETHBTC), make_order(9, number=2)
    sound_work, broken_work = SymbolAtWork(ETHBTC), SymbolAtWork()
    await storage.journal.accept(sound)
    await storage.journal.accept(broken)
    sound_work.rest(sound)
    broken_work.rest(broken)
    first = broken_work.meet(make_quote(1, ask=("99.99", 2)))
    second = broken_work.meet(make_quote(2, ask=("99.98", 2)))
    [event] = second.events
    assert event.split is not None
    impossible = replace(event, split=replace(event.split, quantity=Decimal(3)))
    third = broken_work.meet(make_quote(3, ask=("99.97", 2)))

    await record(
        storage,
        first,
        replace(second, events=(impossible,)),
        sound_work.meet(make_quote(1, ask=("99.99", 5), symbol=ETHBTC)),
        third,
    )

    assert storage.listener.heard == [
        "0001/1",
        "0002/1",
        "0002/2",
        "0001/2",
        "refused LTCBTC",
    ]
    unfinished = await storage.orders.load_unfinished(LTCBTC)
    assert [(one.order.order_id, one.last_sequence) for one in unfinished] == [(broken.order_id, 2)]
    assert (await storage.orders.load_ledger(LTCBTC)).gate == 1
    assert storage.journal.is_writable
    assert storage.journal.state().refused_parts >= 1
    assert storage.journal.state().events == 4


async def test_what_cannot_even_become_a_row_fails_alone(storage: OpenStorage) -> None:
    """A value that no column can store fails only its own part, on both drivers."""
    hopeless = [
        replace(make_order(number=1), accepted_at=datetime(2026, 1, 1)),  # noqa: DTZ001 - the bug
        replace(make_order(number=2), acceptance_number=2**70),
        replace(make_order(number=3), owner=Owner("\ud800")),
        make_order("NaN", number=4),
    ]

    results = await asyncio.gather(
        *(storage.journal.accept(order) for order in hopeless),
        storage.journal.accept(make_order(number=5)),
        return_exceptions=True,
    )

    assert [type(result) for result in results] == [JournalUnavailableError] * 4 + [type(None)]
    assert await storage.rows("SELECT acceptance_number FROM orders") == [(5,)]
