"""Tests of ``app.domain.events``."""

from dataclasses import replace
from decimal import Decimal, localcontext

import pytest

from app.domain.events import (
    OrderEvent,
    TransitionError,
    acceptance_event,
    check_transition,
    snapshot_after,
)
from app.domain.order import TRANSITIONS, Arrival, Decision, OrderStatus, Reason, Split
from tests.support.builders import ACCEPTED_AT, make_order

ORDER = make_order(5)
ARRIVAL = Arrival(update_id=7, price=Decimal("99.5"))


def _split(number: int) -> Split:
    return Split(
        order_id=ORDER.order_id,
        split_number=number,
        update_id=number,
        price=Decimal("99.99"),
        quantity=Decimal(1),
        displayed_quantity=Decimal(1),
        filled_at=ACCEPTED_AT,
    )


def _event(sequence: int, status: OrderStatus, filled: str, split: Split | None) -> OrderEvent:
    return OrderEvent(
        order=ORDER,
        sequence=sequence,
        status=status,
        reason=Reason.TIMEOUT if status is OrderStatus.EXPIRED else None,
        at=ACCEPTED_AT,
        split=split,
        filled_quantity=Decimal(filled),
        quote_quantity=Decimal(filled) * Decimal("99.99"),
        arrival=None,
        quotes_seen=0,
    )


@pytest.mark.parametrize(
    ("event", "remaining", "splits_total"),
    [
        (_event(1, OrderStatus.NEW, "0", None), "5", 0),
        (_event(2, OrderStatus.PARTIALLY_FILLED, "1", _split(1)), "4", 1),
        (_event(3, OrderStatus.FILLED, "5", _split(2)), "0", 2),
        (_event(3, OrderStatus.EXPIRED, "1", None), "4", 1),
        (_event(2, OrderStatus.EXPIRED, "0", None), "5", 0),
        (_event(4, OrderStatus.CANCELED, "2", None), "3", 2),
    ],
)
def test_event_has_its_remaining_quantity_and_number_of_splits(
    event: OrderEvent, remaining: str, splits_total: int
) -> None:
    """All events but the first and an unfilled end are splits, so the sequence counts them."""
    assert event.remaining_quantity == Decimal(remaining)
    assert event.splits_total == splits_total


def test_remaining_quantity_does_not_depend_on_the_context_of_the_thread() -> None:
    """A thread that rounds to one digit sees the same difference."""
    event = _event(2, OrderStatus.PARTIALLY_FILLED, "0.00000001", _split(1))

    with localcontext(prec=1):
        remaining = event.remaining_quantity

    assert remaining == Decimal("4.99999999")


@pytest.mark.parametrize("before", OrderStatus)
@pytest.mark.parametrize("after", OrderStatus)
def test_move_outside_the_table_raises_and_names_both_ends(
    before: OrderStatus, after: OrderStatus
) -> None:
    """The table decides, for every pair."""
    if after in TRANSITIONS[before]:
        check_transition(before, after)
        return

    with pytest.raises(TransitionError, match=f"from {before} to {after}") as caught:
        check_transition(before, after)

    assert (caught.value.before, caught.value.after) == (before, after)


@pytest.mark.parametrize("arrival", [None, ARRIVAL])
def test_an_acceptance_is_the_first_event(arrival: Arrival | None) -> None:
    """Nothing of the order is filled. The current quote is stored, so that it survives a crash."""
    event = acceptance_event(ORDER, arrival)

    assert (event.sequence, event.status, event.at) == (1, OrderStatus.NEW, ORDER.accepted_at)
    assert event.remaining_quantity == 5
    assert event.splits_total == 0
    assert (event.arrival, event.quotes_seen) == (arrival, 0)


@pytest.mark.parametrize("arrival", [None, ARRIVAL])
@pytest.mark.parametrize("status", [OrderStatus.PARTIALLY_FILLED, OrderStatus.EXPIRED])
def test_snapshot_is_the_order_as_the_event_leaves_it(
    status: OrderStatus, arrival: Arrival | None
) -> None:
    """The snapshot has every value of the event, and only an end closes the order."""
    split = _split(1) if status is OrderStatus.PARTIALLY_FILLED else None
    decision = Decision(
        price=Decimal("99.5"), displayed_quantity=Decimal(5), taken_quantity=Decimal(3)
    )
    event = replace(_event(3, status, "2", split), arrival=arrival, quotes_seen=8)
    event = replace(event, departure_update_id=9, decision=decision)

    snapshot = snapshot_after(event)

    assert (snapshot.order, snapshot.status, snapshot.reason) == (ORDER, status, event.reason)
    assert snapshot.filled_quantity == 2
    assert snapshot.quote_quantity == event.quote_quantity
    assert (snapshot.splits_total, snapshot.last_sequence) == (event.splits_total, 3)
    assert snapshot.closed_at == (None if split else ACCEPTED_AT)
    assert (snapshot.arrival, snapshot.quotes_seen) == (arrival, 8)
    assert (snapshot.departure_update_id, snapshot.decision) == (9, decision)
