"""The domain values behind the examples of the documentation.

The code that answers requests turns them into examples, so an example is always a possible answer.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from app.api.service.service_state import Instant, ServiceState
from app.domain.amounts import EXACT, ZERO
from app.domain.events import StoredEvent, acceptance_event
from app.domain.order import (
    PUBLIC,
    Arrival,
    Decision,
    Order,
    OrderId,
    OrderSnapshot,
    OrderStatus,
    Reason,
    Side,
    Split,
    Symbol,
    TimeInForce,
)
from app.domain.quote import Quote
from app.domain.rules import TRADING, TradingRules
from app.ports import (
    ClockState,
    ConnectionState,
    DeskState,
    FeedState,
    JournalState,
    Lag,
    QuoteCounts,
    RulesState,
)

EXAMPLE_SYMBOL: Final = Symbol("LTCBTC")
EXAMPLE_ORDER_ID: Final = OrderId("0199be1c-8f0a-7c31-9d0f-5a2b8c6e4d10")
EXAMPLE_STREAM_ID: Final = "0123456789abcdef"
EXAMPLE_BODY: Final = {"symbol": "LTCBTC", "order_size": 1000, "price": 0.0001, "side": "SELL"}
"""The order of the documented curl; far below the market, so it takes every best bid."""

_ACCEPTED_AT: Final = datetime(2025, 10, 7, 9, 12, 30, 917204, tzinfo=UTC)
_EXPIRES_AT: Final = _ACCEPTED_AT + timedelta(seconds=30)
_SPLITS: Final = tuple(
    Split(
        order_id=EXAMPLE_ORDER_ID,
        split_number=number,
        update_id=update_id,
        price=Decimal(price),
        quantity=Decimal(quantity),
        displayed_quantity=Decimal(quantity),
        filled_at=_ACCEPTED_AT + timedelta(microseconds=microseconds),
    )
    for number, (microseconds, update_id, price, quantity) in enumerate(
        (
            (731, 1742578110, "0.000912", "312.484"),
            (1_204_118, 1742578114, "0.000912", "118.61"),
            (1_903_377, 1742578131, "0.000911", "441.106"),
            (3_121_347, 1742578152, "0.000911", "127.8"),
        ),
        start=1,
    )
)

EXAMPLE_RULES: Final = TradingRules(
    symbol=EXAMPLE_SYMBOL,
    status=TRADING,
    base_asset="LTC",
    quote_asset="BTC",
    price_min=Decimal("0.000001"),
    price_max=Decimal(100000),
    tick_size=Decimal("0.000001"),
    quantity_min=Decimal("0.001"),
    quantity_max=Decimal(100000),
    step_size=Decimal("0.001"),
    notional_min=Decimal("0.0001"),
    notional_max=Decimal(9000000),
)
EXAMPLE_QUOTE: Final = Quote(
    symbol=EXAMPLE_SYMBOL,
    update_id=1742578152,
    bid_price=Decimal("0.000911"),
    bid_quantity=Decimal("568.906"),
    ask_price=Decimal("0.000912"),
    ask_quantity=Decimal("74.3"),
    received_ns=0,
)
EXAMPLE_QUOTE_AGE_NS: Final = 132_000_000
EXAMPLE_FEED: Final = FeedState(
    status="connected",
    cause=None,
    since=_ACCEPTED_AT - timedelta(minutes=41),
    connections=(
        ConnectionState(
            status="connected",
            since=_ACCEPTED_AT - timedelta(minutes=41),
            streams=1,
            cause=None,
            lag=Lag(seconds=0.045, excess_seconds=0.003),
        ),
    ),
    symbols=1,
    counters={
        "connections": 2,
        "reconnects": 1,
        "frames": 18233,
        "quotes": 18203,
        "lost_keepalive": 1,
        "failed_refused": 2,
        "dropped_not_json": 1,
    },
)
EXAMPLE_RULES_STATE: Final = RulesState(
    source="venue",
    loaded_at=_ACCEPTED_AT - timedelta(minutes=42),
    symbols=1483,
    cause=None,
    refreshes=3,
    failures=1,
)
EXAMPLE_STATE: Final = ServiceState(
    instant=Instant(now=_ACCEPTED_AT, now_ns=EXAMPLE_QUOTE_AGE_NS),
    is_recovered=True,
    journal=JournalState(
        is_writable=True, waiting=0, commits=9, failures=0, events=9, refused_parts=0
    ),
    rules=EXAMPLE_RULES_STATE,
    feed=EXAMPLE_FEED,
    desk=DeskState(
        symbols=1,
        symbols_live=1,
        symbols_interrupted=0,
        newest_quote_ns=0,
        oldest_quote_ns=0,
        open_orders=1,
        accepted=3,
        splits=4,
        ended={(OrderStatus.FILLED, None): 1, (OrderStatus.EXPIRED, Reason.TIMEOUT): 1},
        quotes=QuoteCounts(applied=18202, refused=1),
    ),
    clock=ClockState(steps=0, offset_seconds=0.0),
    orders_under_way=0,
    subscriptions=1,
)


def filled_order() -> tuple[OrderSnapshot, list[Split]]:
    """Return the documented order, fulfilled in several splits."""
    return _snapshot(_SPLITS, OrderStatus.FILLED, closed_at=_SPLITS[-1].filled_at)


def expired_order() -> tuple[OrderSnapshot, list[Split]]:
    """Return the documented order when its time ran out after one split."""
    return _snapshot(_SPLITS[:1], OrderStatus.EXPIRED, Reason.TIMEOUT, closed_at=_EXPIRES_AT)


def open_order() -> tuple[OrderSnapshot, list[Split]]:
    """Return the documented order while it rests, after one split."""
    return _snapshot(_SPLITS[:1], OrderStatus.PARTIALLY_FILLED, closed_at=None)


def canceled_order() -> tuple[OrderSnapshot, list[Split]]:
    """Return the documented order when it was canceled after one split."""
    closed_at = _SPLITS[0].filled_at + timedelta(seconds=1)
    return _snapshot(
        _SPLITS[:1], OrderStatus.CANCELED, Reason.CANCELED_BY_CLIENT, closed_at=closed_at
    )


def unfillable_order() -> tuple[OrderSnapshot, list[Split]]:
    """Return the documented order had it been FOK: all or nothing, and the quote had not all."""
    met = _SPLITS[0]
    snapshot, _ = _snapshot((), OrderStatus.EXPIRED, Reason.FOK_UNFILLABLE, closed_at=_ACCEPTED_AT)
    order = replace(
        snapshot.order,
        time_in_force=TimeInForce.FOK,
        expires_at=_ACCEPTED_AT + timedelta(seconds=5),
    )
    decision = Decision(
        price=met.price, displayed_quantity=met.quantity, taken_quantity=Decimal("118.61")
    )
    return replace(
        snapshot,
        order=order,
        quotes_seen=1,
        departure_update_id=met.update_id,
        decision=decision,
    ), []


def events() -> list[StoredEvent]:
    """Return what happened first to the documented order: it was accepted, and filled in part."""
    snapshot, splits = open_order()
    acceptance = acceptance_event(snapshot.order)
    fill = replace(
        acceptance,
        sequence=2,
        status=snapshot.status,
        at=splits[0].filled_at,
        split=splits[0],
        filled_quantity=snapshot.filled_quantity,
        quote_quantity=snapshot.quote_quantity,
    )
    return [
        StoredEvent(position=position, event=event)
        for position, event in ((101, acceptance), (108, fill))
    ]


def _snapshot(
    splits: Sequence[Split],
    status: OrderStatus,
    reason: Reason | None = None,
    *,
    closed_at: datetime | None,
) -> tuple[OrderSnapshot, list[Split]]:
    filled_quantity, quote_quantity = ZERO, ZERO
    for split in splits:
        filled_quantity = EXACT.add(filled_quantity, split.quantity)
        quote_quantity = EXACT.fma(split.price, split.quantity, quote_quantity)
    order = Order(
        order_id=EXAMPLE_ORDER_ID,
        acceptance_number=42,
        owner=PUBLIC,
        client_order_id=None,
        symbol=EXAMPLE_SYMBOL,
        side=Side.SELL,
        time_in_force=TimeInForce.GTD,
        quantity=Decimal(1000),
        limit_price=Decimal("0.0001"),
        accepted_at=_ACCEPTED_AT,
        expires_at=_EXPIRES_AT,
    )
    snapshot = OrderSnapshot(
        order=order,
        status=status,
        reason=reason,
        filled_quantity=filled_quantity,
        quote_quantity=quote_quantity,
        splits_total=len(splits),
        last_sequence=1 + len(splits) + (reason is not None),
        closed_at=closed_at,
        arrival=Arrival(update_id=_SPLITS[0].update_id, price=_SPLITS[0].price),
        quotes_seen=len(splits),
    )
    return snapshot, list(splits)
