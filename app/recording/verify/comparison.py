"""Compare a derived order with its stored rows."""

from collections.abc import Mapping, Sequence
from typing import Final

from app.auditing.order_invariants import counts_by_splits, differing
from app.domain.amounts import format_amount
from app.domain.order import OrderSnapshot, OrderStatus, Split
from app.domain.resting import Fill
from app.recording.verify.derived_order import DerivedOrder, DerivedSplit, end_after, progress_after
from app.recording.verify.recording_reader import CUT_OFF
from app.recording.verify.session_replay import InputRef  # noqa: TC001 - beside its siblings
from app.recording.verify.verification_report import Kind
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


class Comparison:
    """Compares a derived order with its rows at once, and holds the result.

    Args:
        derived: The order as it follows from the recording.
        stored: Its rows.
        may_lag: The database may lack the newest derived splits and the end.
        uncovered_cause: Why the database may have more than was derived; None if it may not.

    Attributes:
        differences: Everything that differs: the kind, the place, and the value on both sides.
        splits: The number of splits that are equal on both sides.
        splits_not_covered: The number of stored splits that the recording does not cover.
        not_covered: The causes, one for each such split and for an end that is not covered.
        durable: The inputs whose results are stored.
        undurable: The inputs whose results are not stored, where that is allowed.
    """

    def __init__(
        self,
        derived: DerivedOrder,
        stored: StoredOrder,
        *,
        may_lag: bool = False,
        uncovered_cause: str | None = None,
    ) -> None:
        self._derived = derived
        self._may_lag = may_lag
        self._uncovered_cause = uncovered_cause
        self.differences: list[tuple[Kind, str, object, object]] = []
        self.splits = 0
        self.splits_not_covered = 0
        self.not_covered: list[str] = []
        self.durable: list[InputRef] = []
        self.undurable: list[InputRef] = []
        if stored.snapshot is None:
            self._differ(Kind.FORM, "a row", "a readable row", stored.malformation)
        else:
            self._compare(stored.snapshot, stored.splits)

    def _differ(self, kind: Kind, where: str, recorded: object, stored: object) -> None:
        self.differences.append((kind, where, recorded, stored))

    def _expect(self, expected: Mapping[str, object], stored: OrderSnapshot) -> None:
        """Add a difference for each attribute of the stored order that is not as expected."""
        for name, value, found in differing(expected, stored):
            self._differ(_KINDS[name], f"{name} of the order", value, found)

    def _compare(self, stored: OrderSnapshot, splits: Sequence[Split]) -> None:
        if stored.order != self._derived.order:
            self._differ(Kind.ORDER, "the order", self._derived.order, stored.order)
        self._expect(counts_by_splits(stored.status, splits), stored)
        if self._ends_like(stored):
            self._uncovered_cause = None  # nothing follows the end of an order
        self._compare_splits({split.split_number: split for split in splits})
        if stored.status.is_terminal:
            self._compare_end(stored)
        else:
            self._compare_open(stored)

    def _ends_like(self, stored: OrderSnapshot) -> bool:
        """Tell whether the derived end equals the stored end."""
        if self._derived.end is None:
            return False
        step = self._derived.end.step
        end = end_after(step) | {"quotes_seen": step.quotes_seen}
        del end["decision"]
        return not any(differing(end, stored))

    def _compare_splits(self, stored: Mapping[int, Split]) -> None:
        derived = self._derived.splits
        newest = max(stored, default=0)
        for number in sorted(stored.keys() | derived.keys()):
            if number not in derived:
                self._judge_extra(stored[number])
            elif number in stored:
                self._compare_split(stored[number], derived[number])
            # Splits are stored in order, so only the newest ones may be missing.
            elif self._may_lag and number > newest:
                self.undurable.append(derived[number].source)
            else:
                recorded = _text(derived[number].fill)
                self._differ(Kind.MISSING_SPLIT, f"split {number}", recorded, "none")

    def _judge_extra(self, split: Split) -> None:
        """Decide whether a stored split that was not derived is uncovered or a difference."""
        derived, number = self._derived, split.split_number
        if number <= derived.splits_unrecorded:
            # If the order was verified in an earlier session, the split was compared there.
            if not derived.was_verified:
                self._leave_out(derived.unrecorded_cause)
            return
        cause, recorded_until = derived.not_covered.get(number, (None, 0))
        if number > derived.splits_total:
            cause, recorded_until = self._uncovered_cause, 0
            # If the crash cut off only what follows this quote, the split should have been derived.
            if cause == CUT_OFF:
                recorded_until = derived.session.newest_update_id
        if cause is not None and split.update_id > recorded_until:
            self._leave_out(cause)
        else:
            self._differ(Kind.EXTRA_SPLIT, f"split {number}", "none", _text(split))

    def _leave_out(self, cause: str) -> None:
        self.splits_not_covered += 1
        self.not_covered.append(cause)

    def _compare_split(self, split: Split, derived: DerivedSplit) -> None:
        fill = derived.fill
        where = f"split {split.split_number}"
        expected = {name: getattr(fill, name) for name in _KINDS_OF_SPLITS}
        names = [name for name, *_ in differing(expected, split)]
        for name in names:
            self._differ(_KINDS_OF_SPLITS[name], where, _text(fill), _text(split))
        price, quantity = derived.displayed_price, derived.displayed_quantity
        stored = (split.price, split.displayed_quantity)
        if split.update_id == fill.update_id and (price, quantity) != stored:
            shown = f"{format_amount(quantity)} at {format_amount(price)}"
            recorded = f"quote {fill.update_id} displayed {shown}"
            self._differ(Kind.QUOTE, where, recorded, _text(split))
        if not names:
            self.splits += 1
            self.durable.append(derived.source)

    def _compare_end(self, stored: OrderSnapshot) -> None:
        end = self._derived.end
        if end is not None:
            self.durable.append(end.source)
            self._expect(end_after(end.step) | progress_after(end.step), stored)
        elif self._uncovered_cause is not None:
            self.not_covered.append(self._uncovered_cause)
        else:
            self._differ(Kind.STATUS, "status of the order", "open", stored.status)

    def _compare_open(self, stored: OrderSnapshot) -> None:
        end = self._derived.end
        if end is not None and self._may_lag:
            self.undurable.append(end.source)
        elif end is not None:
            recorded = end_after(end.step)["status"]
            self._differ(Kind.STATUS, "status of the order", recorded, stored.status)
        status = OrderStatus.PARTIALLY_FILLED if stored.splits_total else OrderStatus.NEW
        self._expect({"status": status}, stored)
        newest = self._derived.splits.get(stored.splits_total)
        if newest is not None:
            self._expect(progress_after(newest.fill), stored)


def _text(split: Fill | Split) -> str:
    taken, shown = format_amount(split.quantity), format_amount(split.displayed_quantity)
    return (
        f"{taken} at {format_amount(split.price)} of {shown} displayed by quote {split.update_id}"
    )
