"""The checks of one order; ``test_audit`` plants violations in whole databases."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from app.auditing.audit_report import AuditReport, Invariant
from app.auditing.audit_rows import OrderRecord, StoredEvent, StoredFulfilled
from app.auditing.order_invariants import check_order
from app.domain.order import Decision, OrderSnapshot, OrderStatus, Reason, Side, Split, TimeInForce
from tests.support.builders import ACCEPTED_AT, make_order

CLOSED_AT = ACCEPTED_AT + timedelta(seconds=2)


def event(sequence: int, status: OrderStatus, quantity: str, quote: str) -> StoredEvent:
    """Return an event of a filled order, one second after the event before."""
    return StoredEvent(
        position=10 * sequence,
        sequence=sequence,
        status=status,
        reason=None,
        at=ACCEPTED_AT + timedelta(seconds=sequence - 1),
        split_number=None if sequence == 1 else sequence - 1,
        filled_quantity=Decimal(quantity),
        quote_quantity=Decimal(quote),
    )


def filled() -> OrderRecord:
    """Return an order of 8, filled in two splits."""
    order = make_order(8)
    splits = tuple(
        Split(
            order_id=order.order_id,
            split_number=number,
            update_id=10 + number,
            price=Decimal(price),
            quantity=Decimal(quantity),
            displayed_quantity=Decimal(5),
            filled_at=ACCEPTED_AT + timedelta(seconds=number),
        )
        for number, price, quantity in ((1, "99.99", 5), (2, "99.5", 3))
    )
    return OrderRecord(
        stored=OrderSnapshot(
            order=order,
            status=OrderStatus.FILLED,
            reason=None,
            filled_quantity=Decimal(8),
            quote_quantity=Decimal("798.45"),
            splits_total=2,
            last_sequence=3,
            closed_at=CLOSED_AT,
            arrival=None,
            quotes_seen=0,
        ),
        key_order_id=None,
        fulfilled=StoredFulfilled(
            created_at=CLOSED_AT,
            order_id=order.order_id,
            symbol=order.symbol,
            side=Side.BUY,
            quantity=Decimal(8),
            price=Decimal(100),
            average_price=Decimal("99.80625"),
        ),
        events=(
            event(1, OrderStatus.NEW, "0", "0"),
            event(2, OrderStatus.PARTIALLY_FILLED, "5", "499.95"),
            event(3, OrderStatus.FILLED, "8", "798.45"),
        ),
        splits=splits,
    )


def expired(time_in_force: TimeInForce, reason: Reason | None) -> OrderRecord:
    """Return an order that expired without a split."""
    end = replace(
        event(2, OrderStatus.EXPIRED, "0", "0"), reason=reason, split_number=None, at=CLOSED_AT
    )
    record = filled()
    return replace(
        record,
        stored=replace(
            record.stored,
            order=replace(record.order, time_in_force=time_in_force),
            status=OrderStatus.EXPIRED,
            reason=reason,
            filled_quantity=Decimal(0),
            quote_quantity=Decimal(0),
            splits_total=0,
            last_sequence=2,
        ),
        fulfilled=None,
        events=(record.events[0], end),
        splits=(),
    )


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


def test_amounts_are_added_up_exactly() -> None:
    """Sums keep every digit, here of quantities with twelve decimals."""
    record = filled()
    first = replace(record.splits[0], quantity=Decimal("4.999999999999"))

    assert violated(replace(record, splits=(first, record.splits[1]))) == {Invariant.SUMS}


def test_an_event_that_fills_nothing_has_no_split() -> None:
    """Only an event that fills may have a split."""
    record = filled()
    end = replace(record.events[2], status=OrderStatus.EXPIRED, reason=Reason.TIMEOUT)

    assert Invariant.SPLIT_NUMBERS in violated(
        replace(record, events=(*record.events[:2], end), splits=record.splits[:1])
    )
