"""The checks of one order; ``test_audit`` plants violations in whole databases."""

from dataclasses import replace
from decimal import Decimal

import pytest

from app.auditing.audit_report import AuditReport, Invariant
from app.auditing.audit_rows import OrderRecord, StoredEvent, StoredFulfilled
from app.auditing.order_invariants import check_order
from app.domain.events import OrderEvent, acceptance_event, snapshot_after
from app.domain.order import Decision, OrderStatus, Reason, Side, TimeInForce
from tests.support.builders import make_order, make_quote
from tests.support.outcomes import SymbolAtWork


def record_of(*events: OrderEvent) -> OrderRecord:
    """Return an order as the journal stores it after these events."""
    last = events[-1]
    order = last.order
    fulfilled = StoredFulfilled(
        order_id=order.order_id,
        created_at=last.at,
        symbol=order.symbol,
        side=order.side,
        quantity=order.quantity,
        price=order.limit_price,
        average_price=Decimal("99.80625"),
    )
    return OrderRecord(
        stored=snapshot_after(last),
        key_order_id=None,
        fulfilled=fulfilled if last.status is OrderStatus.FILLED else None,
        events=tuple(
            StoredEvent(
                position=10 * event.sequence,
                sequence=event.sequence,
                status=event.status,
                reason=event.reason,
                at=event.at,
                split_number=None if event.split is None else event.split.split_number,
                filled_quantity=event.filled_quantity,
                quote_quantity=event.quote_quantity,
            )
            for event in events
        ),
        splits=tuple(event.split for event in events if event.split is not None),
    )


def filled() -> OrderRecord:
    """Return an order of 8, filled in two splits: 5 at 99.99, then 3 at 99.5."""
    order, work = make_order(8), SymbolAtWork()
    outcomes = [work.rest(order)]
    outcomes += [work.meet(make_quote(11, ask=("99.99", 5)))]
    outcomes += [work.meet(make_quote(12, ask=("99.5", 5)))]
    fills = [event for outcome in outcomes for event in outcome.events]
    return record_of(acceptance_event(order), *fills)


def expired(time_in_force: TimeInForce, reason: Reason | None) -> OrderRecord:
    """Return an order that expired without a split."""
    accepted = acceptance_event(replace(make_order(8), time_in_force=time_in_force))
    end = replace(
        accepted,
        sequence=2,
        status=OrderStatus.EXPIRED,
        reason=reason,
        at=accepted.order.expires_at,
    )
    return record_of(accepted, end)


def violated(record: OrderRecord) -> frozenset[Invariant]:
    """Return the invariants that an order violates."""
    report = AuditReport("a.db")
    check_order(record, report)
    return report.violated


def test_a_sound_order_passes_and_its_rows_are_counted() -> None:
    """A sound order violates nothing, and each check counts the rows it reads."""
    report = AuditReport("a.db")

    check_order(filled(), report)

    assert report.is_sound
    counted = (Invariant.SEQUENCES, Invariant.SUMS, Invariant.REASONS)
    assert [report.findings[invariant].rows for invariant in counted] == [3, 2, 1]


@pytest.mark.parametrize(
    ("time_in_force", "reason", "is_possible"),
    [
        (TimeInForce.GTD, Reason.TIMEOUT, True),
        (TimeInForce.GTD, Reason.IOC_REMAINDER, False),
        (TimeInForce.IOC, Reason.IOC_REMAINDER, True),
        (TimeInForce.IOC, Reason.TIMEOUT, True),
        (TimeInForce.FOK, Reason.FOK_UNFILLABLE, True),
        (TimeInForce.FOK, Reason.IOC_REMAINDER, False),
        (TimeInForce.FOK, Reason.NO_MARKET_DATA, True),
        (TimeInForce.IOC, Reason.TIMEOUT_DURING_OUTAGE, True),
        (TimeInForce.GTD, Reason.CANCELED_BY_CLIENT, False),
        (TimeInForce.GTD, None, False),
    ],
)
def test_an_order_expires_for_a_reason_of_its_kind(
    time_in_force: TimeInForce, reason: Reason | None, *, is_possible: bool
) -> None:
    """The time in force limits the reasons for which an order may expire."""
    expected = frozenset() if is_possible else frozenset({Invariant.REASONS})

    assert violated(expired(time_in_force, reason)) == expected


@pytest.mark.parametrize(
    ("time_in_force", "reason"),
    [
        (TimeInForce.IOC, Reason.TIMEOUT),
        (TimeInForce.FOK, Reason.TIMEOUT_DURING_OUTAGE),
        (TimeInForce.GTD, Reason.NO_MARKET_DATA),
    ],
)
def test_a_filled_order_has_met_a_quote(time_in_force: TimeInForce, reason: Reason) -> None:
    """An order with splits has no reason that implies that it met no quote."""
    record = replace(expired(time_in_force, reason), splits=filled().splits[:1])

    assert Invariant.REASONS in violated(record)


IOC, FOK = TimeInForce.IOC, TimeInForce.FOK


@pytest.mark.parametrize("side", Side)
@pytest.mark.parametrize(
    ("time_in_force", "decision", "filled_quantity", "is_possible"),
    [
        (IOC, ("99.99", 5, 0), 5, True),
        (IOC, ("99.99", 7, 2), 5, True),
        (IOC, ("99.99", 7, 2), 4, False),
        (IOC, ("99.99", 7, 2), 6, False),
        (IOC, ("99.99", 5, 5), 0, True),
        (IOC, ("99.99", 5, 6), 0, False),
        (IOC, ("100", 5, 0), 0, False),
        (IOC, ("100.01", 5, 0), 0, True),
        (IOC, ("100.01", 5, 0), 5, False),
        (IOC, ("0", 0, 0), 0, True),
        (FOK, ("99.99", 5, 0), 0, True),
        (FOK, ("99.99", 9, 2), 0, True),
        (FOK, ("99.99", 9, 1), 0, False),
        (FOK, ("99.99", 5, 0), 5, False),
        (FOK, ("100.01", 50, 0), 0, True),
        (TimeInForce.GTD, ("99.99", 5, 0), 5, False),
    ],
)
def test_a_decided_order_got_what_its_quote_had_left(
    side: Side,
    time_in_force: TimeInForce,
    decision: tuple[str, int, int],
    filled_quantity: int,
    *,
    is_possible: bool,
) -> None:
    """An IOC order gets all that its quote had left; a FOK order gets all or nothing."""
    record = expired(time_in_force, Reason.IOC_REMAINDER)
    price, displayed, taken = (Decimal(amount) for amount in decision)
    stored = replace(
        record.stored,
        order=replace(record.order, side=side),
        filled_quantity=Decimal(filled_quantity),
        decision=Decision(
            price=price if side is Side.BUY else 200 - price,
            displayed_quantity=displayed,
            taken_quantity=taken,
        ),
    )

    assert (Invariant.DECISIONS not in violated(replace(record, stored=stored))) is is_possible


@pytest.mark.parametrize(
    ("price", "displayed", "is_possible"),
    [("99.99", 5, True), ("99.98", 5, False), ("99.99", 6, False)],
)
def test_a_decided_order_was_filled_by_the_quote_that_decided_it(
    price: str, displayed: int, *, is_possible: bool
) -> None:
    """The split has the price and the displayed quantity of the deciding quote."""
    record = expired(IOC, Reason.IOC_REMAINDER)
    decision = Decision(
        price=Decimal(price),
        displayed_quantity=Decimal(displayed),
        taken_quantity=Decimal(displayed - 5),
    )
    stored = replace(record.stored, filled_quantity=Decimal(5), decision=decision)
    record = replace(record, stored=stored, splits=filled().splits[:1])

    assert (Invariant.DECISIONS not in violated(record)) is is_possible


def test_an_event_that_fills_nothing_has_no_split() -> None:
    """Only an event that fills may have a split."""
    record = filled()
    end = replace(record.events[2], status=OrderStatus.EXPIRED, reason=Reason.TIMEOUT)

    assert Invariant.SPLIT_NUMBERS in violated(
        replace(record, events=(*record.events[:2], end), splits=record.splits[:1])
    )
