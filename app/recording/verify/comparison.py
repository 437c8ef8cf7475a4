"""Compare a derived order with its stored rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from app.auditing.order_invariants import counts_by_splits, differing
from app.domain.amounts import format_amount
from app.domain.order import OrderId, OrderSnapshot, OrderStatus, Split
from app.domain.resting import Fill
from app.recording.verify.derived_order import DerivedOrder, DerivedSplit, end_after, progress_after
from app.recording.verify.recording_reader import CUT_OFF
from app.recording.verify.session_replay import InputRef
from app.recording.verify.verification_report import Difference, Kind
from app.storage.order_lookup import StoredOrder

_KINDS: Final = {
    "splits_total": Kind.COUNTS,
    "last_sequence": Kind.COUNTS,
    "status": Kind.STATUS,
    "reason": Kind.REASON,
    "arrival": Kind.ARRIVAL,
    "departure_update_id": Kind.DEPARTURE,
    "decision": Kind.DECISION,
    "quotes_seen": Kind.QUOTES_SEEN,
    "filled_quantity": Kind.FILLED_QUANTITY,
    "quote_quantity": Kind.FILLED_QUANTITY,
}
"""The kind of a difference by the attribute of ``OrderSnapshot`` that differs."""

_KINDS_OF_SPLITS: Final = {
    "update_id": Kind.UPDATE_ID,
    "price": Kind.PRICE,
    "quantity": Kind.QUANTITY,
    "displayed_quantity": Kind.DISPLAYED_QUANTITY,
}
"""The attributes that a fill and its split share."""


@dataclass(slots=True)
class Comparison:
    """The result of one comparison.

    Attributes:
        differences: Everything that differs.
        splits: The number of splits that are equal on both sides.
        splits_not_covered: The number of stored splits that the recording does not cover.
        not_covered: The causes, one for each such split and for an end that is not covered.
        durable: The inputs whose results are stored.
        undurable: The inputs whose results are not stored, where that is allowed.
    """

    order_id: OrderId
    differences: list[Difference] = field(default_factory=list)
    splits: int = 0
    splits_not_covered: int = 0
    not_covered: list[str] = field(default_factory=list)
    durable: list[InputRef] = field(default_factory=list)
    undurable: list[InputRef] = field(default_factory=list)

    def differ(self, kind: Kind, where: str, recorded: object, stored: object) -> None:
        """Add a difference."""
        self.differences.append(
            Difference.of(kind, self.order_id, where, recorded=recorded, stored=stored)
        )

    def leave_out(self, cause: str) -> None:
        """Count a split that the recording does not cover."""
        self.splits_not_covered += 1
        self.not_covered.append(cause)

    def expect(self, expected: Mapping[str, object], stored: OrderSnapshot) -> None:
        """Add a difference for each attribute of the stored order that is not as expected."""
        for name, value, found in differing(expected, stored):
            self.differ(_KINDS[name], f"{name} of the order", value, found)


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
    comparison.expect(counts_by_splits(snapshot.status, stored.splits), snapshot)
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


def _ends_alike(derived: DerivedOrder, stored: OrderSnapshot) -> bool:
    """Tell whether the derived end equals the stored end."""
    if derived.end is None:
        return False
    end = end_after(derived.end.step) | {"quotes_seen": derived.end.step.quotes_seen}
    del end["decision"]
    return not any(differing(end, stored))


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
                    Kind.MISSING_SPLIT, f"split {number}", _text(expected.fill), "none"
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
            comparison.leave_out(derived.unrecorded_cause)
        return
    cause = derived.not_covered.get(number)
    if cause is None and split.update_id > derived.cut_off_after.get(number, split.update_id):
        cause = CUT_OFF
    if cause is None and number > derived.splits_total:
        has_its_quote = split.update_id <= derived.session.newest_update_id
        # If the crash cut off only what follows this quote, the split should have been derived.
        cause = None if uncovered_cause == CUT_OFF and has_its_quote else uncovered_cause
    if cause is not None:
        comparison.leave_out(cause)
    else:
        comparison.differ(Kind.EXTRA_SPLIT, f"split {number}", "none", _text(split))


def _compare_split(comparison: Comparison, split: Split, derived: DerivedSplit) -> None:
    fill = derived.fill
    where = f"split {split.split_number}"
    expected = {name: getattr(fill, name) for name in _KINDS_OF_SPLITS}
    differences = [name for name, *_ in differing(expected, split)]
    for name in differences:
        comparison.differ(_KINDS_OF_SPLITS[name], where, _text(fill), _text(split))
    price, quantity = derived.displayed_price, derived.displayed_quantity
    stored = (split.price, split.displayed_quantity)
    if split.update_id == fill.update_id and (price, quantity) != stored:
        shown = f"{format_amount(quantity)} at {format_amount(price)}"
        comparison.differ(
            Kind.QUOTE, where, f"quote {fill.update_id} displayed {shown}", _text(split)
        )
    if not differences:
        comparison.splits += 1
        comparison.durable.append(derived.source)


def _compare_end(
    comparison: Comparison,
    derived: DerivedOrder,
    stored: OrderSnapshot,
    uncovered_cause: str | None,
) -> None:
    if derived.end is not None:
        comparison.durable.append(derived.end.source)
        step = derived.end.step
        comparison.expect(end_after(step) | progress_after(step), stored)
    elif uncovered_cause is not None:
        comparison.not_covered.append(uncovered_cause)
    else:
        comparison.differ(Kind.STATUS, "status of the order", "open", stored.status)


def _compare_open(
    comparison: Comparison, derived: DerivedOrder, stored: OrderSnapshot, *, may_lag: bool
) -> None:
    if derived.end is not None and may_lag:
        comparison.undurable.append(derived.end.source)
    elif derived.end is not None:
        ended = end_after(derived.end.step)["status"]
        comparison.differ(Kind.STATUS, "status of the order", ended, stored.status)
    status = OrderStatus.PARTIALLY_FILLED if stored.splits_total else OrderStatus.NEW
    comparison.expect({"status": status}, stored)
    newest = derived.splits.get(stored.splits_total)
    if newest is not None:
        comparison.expect(progress_after(newest.fill), stored)


def _text(split: Fill | Split) -> str:
    taken, shown = format_amount(split.quantity), format_amount(split.displayed_quantity)
    return (
        f"{taken} at {format_amount(split.price)} of {shown} displayed by quote {split.update_id}"
    )
