"""The invariants of one order, independent of all others: pure functions of its rows.

The row of an order repeats facts from other sources: its splits, its events, and a recording of
the service. ``differing`` compares the row with any of them. An audit uses the splits and events, a
verification (``recording.verify.comparison``) the splits and the recording.
"""

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Final

from app.auditing.audit_report import AuditReport, Invariant
from app.auditing.audit_rows import OrderRecord
from app.domain.amounts import EXACT, ZERO, average_price, format_amount
from app.domain.order import (
    TRANSITIONS,
    Order,
    OrderStatus,
    Reason,
    Side,
    Split,
    TimeInForce,
)

_FILLING: Final = frozenset({OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED})

_REASONS_OF_ANY_ORDER: Final = frozenset(
    {Reason.TIMEOUT, Reason.NO_MARKET_DATA, Reason.TIMEOUT_DURING_OUTAGE}
)
"""The reasons for which any order may expire.

An IOC or FOK order times out while the journal cannot write.
"""

_REASONS_OF_AN_OUTAGE: Final = frozenset({Reason.TIMEOUT_DURING_OUTAGE, Reason.NO_MARKET_DATA})
"""The reasons of orders that earlier releases ended at the moment of a recovery."""

LATE_MAX: Final = timedelta(seconds=5)
"""How long after ``expires_at`` an event may stand: earlier releases stored the moment at which a
timer or a quote was processed. This release stores no event after it."""

_EXPIRES_BY: Final = {
    TimeInForce.GTD: _REASONS_OF_ANY_ORDER,
    TimeInForce.IOC: _REASONS_OF_ANY_ORDER | {Reason.IOC_REMAINDER},
    TimeInForce.FOK: _REASONS_OF_ANY_ORDER | {Reason.FOK_UNFILLABLE},
}


def check_order(record: OrderRecord, report: AuditReport) -> None:
    """Check one order and all its rows."""
    for checks, rows in (
        (_CHECKS_OF_EVENTS, len(record.events)),
        (_CHECKS_OF_SPLITS, len(record.splits)),
        (_CHECKS_OF_THE_ORDER, 1),
    ):
        for invariant, check in checks.items():
            report.look(invariant, rows)
            for detail in check(record):
                report.blame(invariant, record.order.order_id, detail)


def differing(
    expected: Mapping[str, object], stored: object
) -> Iterator[tuple[str, object, object]]:
    """Yield the name, the expected and the stored value of each attribute that differs."""
    for name, value in expected.items():
        found = getattr(stored, name)
        if found != value:
            yield name, value, found


def sums_of(splits: Iterable[Split]) -> tuple[Decimal, Decimal]:
    """Return the filled quantity and its cost."""
    return functools.reduce(_add, splits, (ZERO, ZERO))


def _add(sums: tuple[Decimal, Decimal], split: Split) -> tuple[Decimal, Decimal]:
    filled, quote = sums
    return EXACT.add(filled, split.quantity), EXACT.fma(split.price, split.quantity, quote)


def counts_by_splits(status: OrderStatus, splits: Sequence[Split]) -> dict[str, object]:
    """Return the counts in the row of an order, as they follow from its splits and status."""
    # A fill ends an order with its own event; every other end is one more event.
    has_end_event = status.is_terminal and status is not OrderStatus.FILLED
    return {"splits_total": len(splits), "last_sequence": 1 + len(splits) + has_end_event}


def _first_missing(name: str, numbers: Iterable[int]) -> Iterator[str]:
    for expected, number in enumerate(numbers, start=1):
        if number != expected:
            yield f"{name} {expected} is missing: the next one is {number}"
            return


def _sequences(record: OrderRecord) -> Iterator[str]:
    yield from _first_missing("event", (event.sequence for event in record.events))
    if not record.events:
        yield "there is no event"
    elif record.events[0].status is not OrderStatus.NEW:
        yield f"the first event is {record.events[0].status}"


def _positions(record: OrderRecord) -> Iterator[str]:
    for before, after in pairwise(record.events):
        if after.position <= before.position:
            yield (
                f"event {after.sequence} is at position {after.position}, "
                f"event {before.sequence} at {before.position}"
            )


def _transitions(record: OrderRecord) -> Iterator[str]:
    for before, after in pairwise(record.events):
        if after.status not in TRANSITIONS[before.status]:
            yield f"event {after.sequence} goes from {before.status} to {after.status}"


def _order_state(record: OrderRecord) -> Iterator[str]:
    if not record.events:
        return
    order, last = record.stored, record.events[-1]
    # The events tell last_sequence too, and where they differ from the splits, they decide.
    expected = counts_by_splits(order.status, record.splits) | {
        "status": last.status,
        "reason": last.reason,
        "filled_quantity": last.filled_quantity,
        "quote_quantity": last.quote_quantity,
        "last_sequence": last.sequence,
        "closed_at": last.at if last.status.is_terminal else None,
    }
    for name, value, found in differing(expected, order):
        yield f"{name} of the order is {found}, by its events {value}"


def _split_numbers(record: OrderRecord) -> Iterator[str]:
    numbers = [split.split_number for split in record.splits]
    yield from _first_missing("split", numbers)
    filling = [event for event in record.events if event.status in _FILLING]
    if [event.split_number for event in filling] != numbers:
        yield f"{len(numbers)} splits are stored and {len(filling)} are told by events"
        return
    for event, split in zip(filling, record.splits, strict=True):
        if event.at != split.filled_at:
            yield f"split {split.split_number} and its event name different times"
    for event in record.events:
        if event.split_number is not None and event.status not in _FILLING:
            yield f"event {event.sequence} is {event.status} and has a split"


def _sums(record: OrderRecord) -> Iterator[str]:
    """Compare the sums of the splits with each event, then with the order."""
    splits = {split.split_number: split for split in record.splits}
    sums = ZERO, ZERO
    for event in record.events:
        split = splits.get(event.split_number or 0)
        sums = sums if split is None else _add(sums, split)
        told = event.filled_quantity, event.quote_quantity
        if told != sums:
            yield f"event {event.sequence} tells {_paid(*told)}, its splits sum to {_paid(*sums)}"
            break  # the later sums include this one
    sums = sums_of(record.splits)
    told = record.stored.filled_quantity, record.stored.quote_quantity
    if told != sums:
        yield f"the order tells {_paid(*told)}, its splits sum to {_paid(*sums)}"


def _limit_price(record: OrderRecord) -> Iterator[str]:
    side, limit_price = record.order.side, record.order.limit_price
    for split in record.splits:
        if not _is_within_limit(record.order, split.price):
            price = format_amount(split.price)
            yield (
                f"split {split.split_number} at {price}, {side} limit {format_amount(limit_price)}"
            )


def _is_within_limit(order: Order, price: Decimal) -> bool:
    return price <= order.limit_price if order.side is Side.BUY else price >= order.limit_price


def _overfilled(record: OrderRecord) -> Iterator[str]:
    quantity, filled = record.order.quantity, record.stored.filled_quantity
    given, _ = sums_of(record.splits)
    for name, amount in {"filled_quantity is": filled, "the splits give": given}.items():
        if amount > quantity:
            yield f"{name} {format_amount(amount)} of {format_amount(quantity)}"
    if (record.stored.status is OrderStatus.FILLED) != (filled == quantity):
        yield f"{record.stored.status} with {format_amount(filled)} of {format_amount(quantity)}"


def _displayed(record: OrderRecord) -> Iterator[str]:
    for split in record.splits:
        if not ZERO < split.quantity <= split.displayed_quantity:
            yield (
                f"split {split.split_number} takes {format_amount(split.quantity)} "
                f"of {format_amount(split.displayed_quantity)} displayed"
            )


def _fulfilled_orders(record: OrderRecord) -> Iterator[str]:
    order, stored, found = record.order, record.stored, record.fulfilled
    if (stored.status is OrderStatus.FILLED) != (found is not None):
        yield f"{stored.status} and {'no' if found is None else 'a'} row in fulfilled_orders"
    if found is None:
        return
    average = average_price(
        quote_quantity=stored.quote_quantity, filled_quantity=stored.filled_quantity
    )
    expected = {
        "symbol": order.symbol,
        "side": order.side,
        "quantity": order.quantity,
        "price": order.limit_price,
        "average_price": average,
        "created_at": stored.closed_at,
    }
    for name, value, actual in differing(expected, found):
        yield f"{name} in fulfilled_orders is {actual}, by the order {value}"


def _client_order_ids(record: OrderRecord) -> Iterator[str]:
    key = record.order.client_order_id
    if key is None or record.key_order_id == record.order.order_id:
        return
    if record.key_order_id is None:
        yield f"client order id {key!r} is not in client_order_ids"
    else:
        yield f"client order id {key!r} belongs to order {record.key_order_id}"


def _time_in_force(record: OrderRecord) -> Iterator[str]:
    time_in_force, status = record.order.time_in_force, record.stored.status
    if time_in_force is TimeInForce.GTD or not record.splits:
        return
    if time_in_force is TimeInForce.FOK and status is not OrderStatus.FILLED:
        yield f"FOK with {len(record.splits)} splits is {status}"
    quotes = {split.update_id for split in record.splits}
    if len(quotes) > 1:
        yield f"{time_in_force} was filled by {len(quotes)} quotes"


def _decisions(record: OrderRecord) -> Iterator[str]:
    """Compare the filled quantity with what the deciding quote had left, if it was stored.

    An IOC order takes all that is left. A FOK order with a decision was not filled, because less
    than its quantity was left. A GTD order has no decision.
    """
    order, decision = record.order, record.stored.decision
    if decision is None:
        return
    price, displayed, taken = decision.price, decision.displayed_quantity, decision.taken_quantity
    situation = (
        f"{format_amount(taken)} of {format_amount(displayed)} was taken at {format_amount(price)}"
    )
    if taken > displayed:
        yield situation
        return
    left = EXACT.subtract(displayed, taken) if _is_within_limit(order, price) else ZERO
    filled = record.stored.filled_quantity
    is_right = {
        TimeInForce.GTD: False,
        TimeInForce.IOC: filled == left,
        TimeInForce.FOK: filled == ZERO and left < order.quantity,
    }
    if not is_right[order.time_in_force]:
        yield f"{order.time_in_force} got {format_amount(filled)} where {situation}"
    for split in record.splits:
        if (split.price, split.displayed_quantity) != (price, displayed):
            yield f"split {split.split_number} is not of the quote where {situation}"


def _reasons(record: OrderRecord) -> Iterator[str]:
    time_in_force, stored = record.order.time_in_force, record.stored
    possible_by_status = {
        OrderStatus.CANCELED: frozenset({Reason.CANCELED_BY_CLIENT}),
        OrderStatus.EXPIRED: _EXPIRES_BY[time_in_force],
    }
    possible = possible_by_status.get(stored.status, frozenset())
    if (stored.reason is not None or possible) and stored.reason not in possible:
        yield f"{time_in_force} order {stored.status} with reason {stored.reason}"
    is_decided = time_in_force is not TimeInForce.GTD or stored.reason is Reason.NO_MARKET_DATA
    if stored.reason in _REASONS_OF_ANY_ORDER and is_decided and record.splits:
        yield f"{time_in_force} order with reason {stored.reason} after {len(record.splits)} splits"


def _times(record: OrderRecord) -> Iterator[str]:
    order = record.order
    if order.expires_at < order.accepted_at:
        yield f"expires at {order.expires_at}, accepted at {order.accepted_at}"
    before = order.accepted_at
    for event in record.events:
        if event.at < before:
            yield f"event {event.sequence} at {event.at}, the one before at {before}"
        elif event.status is OrderStatus.NEW and event.at != order.accepted_at:
            yield f"NEW at {event.at}, accepted at {order.accepted_at}"
        elif event.at > order.expires_at + LATE_MAX and event.reason not in _REASONS_OF_AN_OUTAGE:
            yield f"event {event.sequence} at {event.at}, expires at {order.expires_at}"
        before = event.at
    # A restart ends an IOC or FOK order before its time.
    is_timed_out = order.rests and record.stored.reason in _REASONS_OF_ANY_ORDER
    if is_timed_out and before < order.expires_at:
        yield f"{record.stored.reason} at {before}, expires at {order.expires_at}"


def _update_id_bounds(record: OrderRecord) -> Iterator[str]:
    """Compare the splits with the first quote of the order and with the newest quote at its end.

    Both must be known. They are unknown before the order has ended, and if a restart or an earlier
    release did not store one. If the ids fall, the venue restarted them, and there are no bounds.
    """
    stored = record.stored
    arrival = None if stored.arrival is None else stored.arrival.update_id
    departure = stored.departure_update_id
    if departure is not None and not stored.status.is_terminal:
        yield f"departed at {departure} and is {stored.status}"
    if stored.status is OrderStatus.FILLED and departure is not None and record.splits:
        last = record.splits[-1].update_id
        if departure != last:
            yield f"was filled by quote {last} and departed at {departure}"
    if arrival is None or departure is None or departure < arrival:
        return
    for split in record.splits:
        if not arrival <= split.update_id <= departure:
            yield (
                f"split {split.split_number} is of quote {split.update_id}, "
                f"the order came at {arrival} and went at {departure}"
            )


def _paid(filled: Decimal, quote: Decimal) -> str:
    return f"{format_amount(filled)} for {format_amount(quote)}"


_CHECKS_OF_EVENTS: Final = {
    Invariant.SEQUENCES: _sequences,
    Invariant.POSITIONS: _positions,
    Invariant.TRANSITIONS: _transitions,
    Invariant.TIMES: _times,
}
_CHECKS_OF_SPLITS: Final = {
    Invariant.SPLIT_NUMBERS: _split_numbers,
    Invariant.SUMS: _sums,
    Invariant.LIMIT_PRICE: _limit_price,
    Invariant.DISPLAYED: _displayed,
    Invariant.UPDATE_ID_BOUNDS: _update_id_bounds,
}
_CHECKS_OF_THE_ORDER: Final = {
    Invariant.ORDER_STATE: _order_state,
    Invariant.OVERFILLED: _overfilled,
    Invariant.FULFILLED_ORDERS: _fulfilled_orders,
    Invariant.CLIENT_ORDER_IDS: _client_order_ids,
    Invariant.TIME_IN_FORCE: _time_in_force,
    Invariant.DECISIONS: _decisions,
    Invariant.REASONS: _reasons,
}
"""The checks, by the rows that a report counts for them."""
