"""Compare a derived order with its stored rows."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from app.domain.amounts import format_amount
from app.domain.order import OrderId, OrderSnapshot, OrderStatus, Split
from app.recording.verify.derived_order import DerivedOrder, DerivedSplit
from app.recording.verify.recording_reader import CUT_OFF
from app.recording.verify.session_replay import InputRef
from app.recording.verify.verification_report import Difference, Kind
from app.storage.order_lookup import StoredOrder


@dataclass(slots=True)
class Comparison:
    """The result of one comparison.

    Attributes:
        differences: Everything that differs.
        splits: The number of splits that are equal on both sides.
        not_covered: The number of stored splits that the recording does not cover, by cause.
        end_not_covered: The cause if the recording does not cover the order's end.
        durable: The inputs whose results are stored.
        undurable: The inputs whose results are not stored, where that is allowed.
    """

    order_id: OrderId
    differences: list[Difference] = field(default_factory=list)
    splits: int = 0
    not_covered: Counter[str] = field(default_factory=Counter)
    end_not_covered: str | None = None
    durable: list[InputRef] = field(default_factory=list)
    undurable: list[InputRef] = field(default_factory=list)

    def differ(self, kind: Kind, where: str, recorded: object, stored: object) -> None:
        """Add a difference."""
        self.differences.append(
            Difference.of(kind, self.order_id, where, recorded=recorded, stored=stored)
        )


def compare(
    derived: DerivedOrder, stored: StoredOrder, *, may_lag: bool, uncovered_cause: str | None
) -> Comparison:
    """Compare a derived order with its rows.

    Args:
        derived: The order as it follows from the recording.
        stored: Its rows.
        may_lag: The database may lack the newest derived splits and the end.
        uncovered_cause: Why the database may have more than was derived; None if it may not.
    """
    comparison = Comparison(derived.order.order_id)
    snapshot = stored.snapshot
    if snapshot is None:
        comparison.differ(Kind.FORM, "a row", "a readable row", stored.malformation)
        return comparison
    if snapshot.order != derived.order:
        comparison.differ(Kind.ORDER, "the order", derived.order, snapshot.order)
    _compare_counts(comparison, snapshot, len(stored.splits))
    if _ends_alike(derived, snapshot):
        uncovered_cause = None  # nothing follows the end of an order
    _compare_splits(
        comparison, derived, stored.splits, may_lag=may_lag, uncovered_cause=uncovered_cause
    )
    if snapshot.status.is_terminal:
        _compare_end(comparison, derived, snapshot, uncovered_cause)
    else:
        _compare_open(comparison, derived, snapshot, may_lag=may_lag)
    return comparison


def _compare_counts(comparison: Comparison, stored: OrderSnapshot, splits_total: int) -> None:
    """Compare the counts in the order's row with its stored splits."""
    # A fill ends an order with its own event; every other end is one more event.
    has_end_event = stored.status.is_terminal and stored.status is not OrderStatus.FILLED
    expected = (splits_total, 1 + splits_total + has_end_event)
    found = (stored.splits_total, stored.last_sequence)
    if expected != found:
        texts = [f"{splits} splits, {events} events" for splits, events in (expected, found)]
        comparison.differ(Kind.COUNTS, "the order", *texts)


def _ends_alike(derived: DerivedOrder, stored: OrderSnapshot) -> bool:
    """Tell whether the derived end equals the stored end."""
    end = derived.end
    return end is not None and (
        (end.status, end.reason, end.departure_update_id, end.quotes_seen)
        == (stored.status, stored.reason, stored.departure_update_id, stored.quotes_seen)
    )


def _compare_splits(
    comparison: Comparison,
    derived: DerivedOrder,
    stored: tuple[Split, ...],
    *,
    may_lag: bool,
    uncovered_cause: str | None,
) -> None:
    by_number = {split.split_number: split for split in stored}
    newest = max(by_number, default=0)
    for number in sorted(by_number.keys() | derived.splits.keys()):
        split, expected = by_number.get(number), derived.splits.get(number)
        if split is None:
            assert expected is not None, "a split is on one side at least"
            # Splits are stored in order, so only the newest ones may be missing.
            if may_lag and number > newest:
                comparison.undurable.append(expected.source)
            else:
                comparison.differ(
                    Kind.MISSING_SPLIT, f"split {number}", _derived_text(expected), "none"
                )
        elif expected is None:
            _judge_extra(comparison, derived, split, uncovered_cause)
        else:
            _compare_split(comparison, split, expected)


def _judge_extra(
    comparison: Comparison, derived: DerivedOrder, split: Split, uncovered_cause: str | None
) -> None:
    """Decide whether a stored split that was not derived is uncovered or a difference."""
    number = split.split_number
    if number <= derived.splits_unrecorded:
        # If the order was verified in an earlier session, the split was compared there.
        if not derived.was_verified:
            comparison.not_covered[derived.unrecorded_cause] += 1
        return
    cause = derived.not_covered.get(number)
    if cause is None and split.update_id > derived.cut_off_after.get(number, split.update_id):
        cause = CUT_OFF
    if cause is None and number > derived.splits_total:
        has_its_quote = split.update_id <= derived.session.newest_update_id
        # If the crash cut off only what follows this quote, the split should have been derived.
        cause = None if uncovered_cause == CUT_OFF and has_its_quote else uncovered_cause
    if cause is not None:
        comparison.not_covered[cause] += 1
    else:
        comparison.differ(Kind.EXTRA_SPLIT, f"split {number}", "none", _stored_text(split))


def _compare_split(comparison: Comparison, split: Split, derived: DerivedSplit) -> None:
    fill = derived.fill
    where = f"split {split.split_number}"
    pairs = (
        (Kind.UPDATE_ID, fill.update_id, split.update_id),
        (Kind.PRICE, fill.price, split.price),
        (Kind.QUANTITY, fill.quantity, split.quantity),
        (Kind.DISPLAYED_QUANTITY, fill.displayed_quantity, split.displayed_quantity),
    )
    differing = [kind for kind, expected, found in pairs if expected != found]
    for kind in differing:
        comparison.differ(kind, where, _derived_text(derived), _stored_text(split))
    price, quantity = derived.displayed_price, derived.displayed_quantity
    stored = (split.price, split.displayed_quantity)
    if split.update_id == fill.update_id and (price, quantity) != stored:
        shown = f"{format_amount(quantity)} at {format_amount(price)}"
        comparison.differ(
            Kind.QUOTE, where, f"quote {fill.update_id} displayed {shown}", _stored_text(split)
        )
    if not differing:
        comparison.splits += 1
        comparison.durable.append(derived.source)


def _compare_end(
    comparison: Comparison,
    derived: DerivedOrder,
    stored: OrderSnapshot,
    uncovered_cause: str | None,
) -> None:
    end = derived.end
    if end is None:
        if uncovered_cause is not None:
            comparison.end_not_covered = uncovered_cause
        else:
            comparison.differ(Kind.STATUS, "the order", "open", stored.status)
        return
    comparison.durable.append(end.source)
    pairs = (
        (Kind.STATUS, end.status, stored.status),
        (Kind.REASON, end.reason, stored.reason),
        (Kind.ARRIVAL, end.arrival, stored.arrival),
        (Kind.DEPARTURE, end.departure_update_id, stored.departure_update_id),
        (Kind.DECISION, end.decision, stored.decision),
        (Kind.QUOTES_SEEN, end.quotes_seen, stored.quotes_seen),
        (Kind.FILLED_QUANTITY, _sums(*derived.sums), _sums_of(stored)),
    )
    _compare_pairs(comparison, pairs)


def _compare_open(
    comparison: Comparison, derived: DerivedOrder, stored: OrderSnapshot, *, may_lag: bool
) -> None:
    if derived.end is not None:
        if may_lag:
            comparison.undurable.append(derived.end.source)
        else:
            comparison.differ(Kind.STATUS, "the order", derived.end.status, stored.status)
    status = OrderStatus.PARTIALLY_FILLED if stored.splits_total else OrderStatus.NEW
    if stored.status is not status:
        comparison.differ(Kind.STATUS, "the order", status, stored.status)
    newest = derived.splits.get(stored.splits_total)
    if newest is None:
        return
    fill = newest.fill
    pairs = (
        (Kind.ARRIVAL, fill.arrival, stored.arrival),
        (Kind.QUOTES_SEEN, fill.quotes_seen, stored.quotes_seen),
        (
            Kind.FILLED_QUANTITY,
            _sums(fill.filled_quantity, fill.quote_quantity),
            _sums_of(stored),
        ),
    )
    _compare_pairs(comparison, pairs)


def _compare_pairs(comparison: Comparison, pairs: Iterable[tuple[Kind, object, object]]) -> None:
    for kind, expected, found in pairs:
        if expected != found:
            comparison.differ(kind, "the order", expected, found)


def _derived_text(derived: DerivedSplit) -> str:
    fill = derived.fill
    return _split_text(fill.quantity, fill.price, fill.displayed_quantity, fill.update_id)


def _stored_text(split: Split) -> str:
    return _split_text(split.quantity, split.price, split.displayed_quantity, split.update_id)


def _split_text(quantity: Decimal, price: Decimal, displayed: Decimal, update_id: int) -> str:
    taken, shown = format_amount(quantity), format_amount(displayed)
    return f"{taken} at {format_amount(price)} of {shown} displayed by quote {update_id}"


def _sums_of(stored: OrderSnapshot) -> str:
    return _sums(stored.filled_quantity, stored.quote_quantity)


def _sums(filled: Decimal, quote: Decimal) -> str:
    return f"{format_amount(filled)} for {format_amount(quote)}"
