"""The invariants of one order, independent of all others: pure functions of its rows."""

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from itertools import pairwise
from typing import Final, NamedTuple

from app.auditing.audit_report import Findings, Invariant
from app.auditing.audit_rows import OrderRecord
from app.domain.amounts import EXACT, ZERO, average_price, format_amount
from app.domain.order import TRANSITIONS, OrderStatus, Reason, Side, TimeInForce

_FILLING: Final = frozenset({OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED})

_REASONS_OF_ANY_ORDER: Final = frozenset(
    {Reason.TIMEOUT, Reason.NO_MARKET_DATA, Reason.TIMEOUT_DURING_OUTAGE}
)
"""The reasons for which any order may expire.

An IOC or FOK order times out while the journal cannot write.
"""

_EXPIRES_BY: Final = {
    TimeInForce.GTD: _REASONS_OF_ANY_ORDER,
    TimeInForce.IOC: _REASONS_OF_ANY_ORDER | {Reason.IOC_REMAINDER},
    TimeInForce.FOK: _REASONS_OF_ANY_ORDER | {Reason.FOK_UNFILLABLE},
}


def check_order(record: OrderRecord, findings: Findings) -> None:
    """Check one order and all its rows."""
    for invariant, check in _CHECKS.items():
        findings.look(invariant, check.rows(record))
        for detail in check.find(record):
            findings.blame(invariant, record.order.order_id, detail)


def _sequences(record: OrderRecord) -> Iterator[str]:
    sequences = [event.sequence for event in record.events]
    for expected, sequence in enumerate(sequences, start=1):
        if sequence != expected:
            yield f"event {expected} is missing: the next one is {sequence}"
            break
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
    pairs = {
        "status": (order.status, last.status),
        "reason": (order.reason, last.reason),
        "filled_quantity": (order.filled_quantity, last.filled_quantity),
        "quote_quantity": (order.quote_quantity, last.quote_quantity),
        "last_sequence": (order.last_sequence, last.sequence),
        "closed_at": (order.closed_at, last.at if last.status.is_terminal else None),
        "splits_total": (order.splits_total, len(record.splits)),
    }
    for name, (stored, expected) in pairs.items():
        if stored != expected:
            yield f"{name} of the order is {stored}, by its events {expected}"


def _split_numbers(record: OrderRecord) -> Iterator[str]:
    numbers = [split.split_number for split in record.splits]
    for expected, number in enumerate(numbers, start=1):
        if number != expected:
            yield f"split {expected} is missing: the next one is {number}"
            break
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
    for event, (filled, quote) in zip(record.events, _running_sums(record), strict=True):
        if (event.filled_quantity, event.quote_quantity) != (filled, quote):
            yield (
                f"event {event.sequence} tells {_paid(event.filled_quantity, event.quote_quantity)}"
                f", its splits sum to {_paid(filled, quote)}"
            )
            break  # the later sums include this one
    filled = quote = ZERO
    for split in record.splits:
        filled = EXACT.add(filled, split.quantity)
        quote = EXACT.fma(split.price, split.quantity, quote)
    stored = record.stored
    if (stored.filled_quantity, stored.quote_quantity) != (filled, quote):
        yield (
            f"the order tells {_paid(stored.filled_quantity, stored.quote_quantity)}"
            f", its splits sum to {_paid(filled, quote)}"
        )


def _running_sums(record: OrderRecord) -> Iterator[tuple[Decimal, Decimal]]:
    """Yield the sums of quantity and cost after each event."""
    splits = {split.split_number: split for split in record.splits}
    filled = quote = ZERO
    for event in record.events:
        split = splits.get(event.split_number or 0)
        if split is not None:
            filled = EXACT.add(filled, split.quantity)
            quote = EXACT.fma(split.price, split.quantity, quote)
        yield filled, quote


def _limit_price(record: OrderRecord) -> Iterator[str]:
    limit_price = record.order.limit_price
    for split in record.splits:
        worse = limit_price.compare(split.price) * (1 if record.order.side is Side.BUY else -1)
        if worse < 0:
            yield (
                f"split {split.split_number} at {format_amount(split.price)}, "
                f"{record.order.side} limit {format_amount(limit_price)}"
            )


def _overfilled(record: OrderRecord) -> Iterator[str]:
    quantity, filled = record.order.quantity, record.stored.filled_quantity
    given = [split.quantity for split in record.splits]
    for name, amount in {"filled_quantity is": filled, "the splits give": _sum(given)}.items():
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
    pairs = {
        "symbol": (found.symbol, order.symbol),
        "side": (found.side, order.side),
        "quantity": (found.quantity, order.quantity),
        "price": (found.price, order.limit_price),
        "average_price": (found.average_price, average),
        "created_at": (found.created_at, stored.closed_at),
    }
    for name, (actual, expected) in pairs.items():
        if actual != expected:
            yield f"{name} in fulfilled_orders is {actual}, by the order {expected}"


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
    is_reached = (
        price <= order.limit_price if order.side is Side.BUY else price >= order.limit_price
    )
    left = EXACT.subtract(displayed, taken) if is_reached else ZERO
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
    match stored.status:
        case OrderStatus.CANCELED:
            possible = frozenset({Reason.CANCELED_BY_CLIENT})
        case OrderStatus.EXPIRED:
            possible = _EXPIRES_BY[time_in_force]
        case _:
            possible = frozenset()
    if (stored.reason is not None or possible) and stored.reason not in possible:
        yield f"{time_in_force} order {stored.status} with reason {stored.reason}"
    is_decided = time_in_force is not TimeInForce.GTD or stored.reason is Reason.NO_MARKET_DATA
    if stored.reason in _REASONS_OF_ANY_ORDER and is_decided and record.splits:
        yield f"{time_in_force} order with reason {stored.reason} after {len(record.splits)} splits"


def _times(record: OrderRecord) -> Iterator[str]:
    order = record.order
    if order.expires_at < order.accepted_at:
        yield f"expires at {order.expires_at}, accepted at {order.accepted_at}"
    for event in record.events:
        if event.at < order.accepted_at:
            yield f"event {event.sequence} at {event.at}, accepted at {order.accepted_at}"
        elif event.status is OrderStatus.NEW and event.at != order.accepted_at:
            yield f"NEW at {event.at}, accepted at {order.accepted_at}"


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


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    total = ZERO
    for amount in amounts:
        total = EXACT.add(total, amount)
    return total


def _paid(filled: Decimal, quote: Decimal) -> str:
    return f"{format_amount(filled)} for {format_amount(quote)}"


class _Check(NamedTuple):
    """A check, and the function that counts the rows it reads."""

    find: Callable[[OrderRecord], Iterator[str]]
    rows: Callable[[OrderRecord], int]


def _one(_: OrderRecord) -> int:
    return 1


def _events(record: OrderRecord) -> int:
    return len(record.events)


def _splits(record: OrderRecord) -> int:
    return len(record.splits)


_CHECKS: Final = {
    Invariant.SEQUENCES: _Check(_sequences, _events),
    Invariant.POSITIONS: _Check(_positions, _events),
    Invariant.TRANSITIONS: _Check(_transitions, _events),
    Invariant.ORDER_STATE: _Check(_order_state, _one),
    Invariant.SPLIT_NUMBERS: _Check(_split_numbers, _splits),
    Invariant.SUMS: _Check(_sums, _splits),
    Invariant.LIMIT_PRICE: _Check(_limit_price, _splits),
    Invariant.OVERFILLED: _Check(_overfilled, _one),
    Invariant.DISPLAYED: _Check(_displayed, _splits),
    Invariant.FULFILLED_ORDERS: _Check(_fulfilled_orders, _one),
    Invariant.CLIENT_ORDER_IDS: _Check(_client_order_ids, _one),
    Invariant.TIME_IN_FORCE: _Check(_time_in_force, _one),
    Invariant.DECISIONS: _Check(_decisions, _one),
    Invariant.REASONS: _Check(_reasons, _one),
    Invariant.TIMES: _Check(_times, _events),
    Invariant.UPDATE_ID_BOUNDS: _Check(_update_id_bounds, _splits),
}
