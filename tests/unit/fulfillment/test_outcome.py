"""Tests of ``app.fulfillment.outcome``."""

from datetime import timedelta
from decimal import Decimal

import pytest

from app.domain.events import SymbolOutcome, TransitionError
from app.domain.liquidity import TakenLevel
from app.domain.order import TRANSITIONS, Arrival, Decision, OrderStatus, Reason, Side
from app.domain.resting import Closing, Fill
from app.fulfillment.outcome import EVENTS_PER_OUTCOME_MAX, outcome_parts, step_events
from tests.support.builders import ACCEPTED_AT, LTCBTC, make_order

ARRIVAL = Arrival(update_id=3, price=Decimal("99.5"))
DECISION = Decision(price=Decimal("99.5"), displayed_quantity=Decimal(5), taken_quantity=Decimal(3))


def make_fill(split_number: int, filled_quantity: int) -> Fill:
    """Make a fill of 2 at 99.99 that brings an order of 5 to ``filled_quantity``."""
    return Fill(
        order=make_order(5),
        split_number=split_number,
        update_id=7,
        price=Decimal("99.99"),
        quantity=Decimal(2),
        displayed_quantity=Decimal(3),
        filled_quantity=Decimal(filled_quantity),
        quote_quantity=Decimal("99.99") * filled_quantity,
        arrival=ARRIVAL,
        quotes_seen=6,
    )


@pytest.mark.parametrize(
    ("split_number", "filled", "status", "departure"),
    [(2, 4, OrderStatus.PARTIALLY_FILLED, None), (3, 5, OrderStatus.FILLED, 7)],
)
def test_a_fill_carries_its_split_and_the_filled_quantity(
    split_number: int, filled: int, status: OrderStatus, departure: int | None
) -> None:
    """The last split carries the end: a filled order has no separate event for it."""
    (event,) = step_events([make_fill(split_number, filled)], ACCEPTED_AT)

    assert (event.sequence, event.status) == (split_number + 1, status)
    assert event.split is not None
    assert (event.split.split_number, event.split.update_id) == (split_number, 7)
    assert (event.split.quantity, event.split.displayed_quantity) == (Decimal(2), Decimal(3))
    assert event.remaining_quantity == 5 - filled
    assert event.splits_total == split_number
    assert event.departure_update_id == departure
    assert (event.arrival, event.quotes_seen) == (ARRIVAL, 6)


@pytest.mark.parametrize("splits_total", [0, 2])
@pytest.mark.parametrize(
    ("status", "reason"),
    [(OrderStatus.EXPIRED, Reason.TIMEOUT), (OrderStatus.CANCELED, Reason.CANCELED_BY_CLIENT)],
)
def test_an_unfilled_end_is_the_event_after_the_last_split(
    splits_total: int, status: OrderStatus, reason: Reason
) -> None:
    """Sequences have no gap, with or without splits."""
    closing = Closing(
        order=make_order(5),
        status=status,
        reason=reason,
        splits_total=splits_total,
        filled_quantity=Decimal(splits_total),
        quote_quantity=Decimal(splits_total),
        arrival=ARRIVAL,
        quotes_seen=6,
        departure_update_id=8,
        decision=DECISION,
    )

    (event,) = step_events([closing], ACCEPTED_AT)

    assert (event.sequence, event.status) == (splits_total + 2, status)
    assert (event.reason, event.splits_total) == (reason, splits_total)
    assert (event.arrival, event.quotes_seen) == (ARRIVAL, 6)
    assert (event.departure_update_id, event.decision) == (8, DECISION)


@pytest.mark.parametrize(("late_seconds", "at_seconds"), [(-1, -1), (0, 0), (7, 0), (9_000, 0)])
def test_no_event_is_later_than_its_orders_time(late_seconds: int, at_seconds: int) -> None:
    """A busy process and a restart record an event late; the quote came in time, or none came."""
    order = make_order(5)
    fill = make_fill(1, 2)
    assert fill.order.expires_at == order.expires_at

    (event,) = step_events([fill], order.expires_at + timedelta(seconds=late_seconds))

    assert event.at == order.expires_at + timedelta(seconds=at_seconds)
    assert event.split is not None
    assert event.split.filled_at == event.at


def test_a_move_outside_the_table_is_our_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every event follows the transition table."""
    monkeypatch.setitem(TRANSITIONS, OrderStatus.NEW, frozenset())

    with pytest.raises(TransitionError, match="no order goes from NEW to PARTIALLY_FILLED"):
        step_events([make_fill(1, 2)], ACCEPTED_AT)


@pytest.mark.parametrize(("events", "sizes"), [(0, [0]), (1, [1]), (512, [512]), (513, [512, 1])])
def test_an_outcome_is_split_and_its_ledger_goes_with_the_first_part(
    events: int, sizes: list[int]
) -> None:
    """Each part fits into a transaction, and nothing is written twice."""
    level = TakenLevel(
        owner=make_order().owner, side=Side.BUY, price=Decimal(100), quantity=Decimal(1)
    )
    made = tuple(step_events([make_fill(1, 2)] * events, ACCEPTED_AT))
    outcome = SymbolOutcome(symbol=LTCBTC, events=made, ledger_changes=(level,), gate=7)

    parts = list(outcome_parts(outcome))

    assert EVENTS_PER_OUTCOME_MAX == 512
    assert [len(part.events) for part in parts] == sizes
    assert [part.ledger_changes for part in parts] == [(level,), ()][: len(sizes)]
    assert {part.gate for part in parts} == {7}
