"""One order as it is derived, held against its rows."""

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal

from app.domain.amounts import format_amount
from app.domain.order import OrderId, OrderSnapshot, OrderStatus, Split
from app.recording.verify.derived_order import DerivedOrder, DerivedSplit
from app.recording.verify.recording_reader import CUT_OFF
from app.recording.verify.session_replay import Act
from app.recording.verify.verification_report import Difference, Kind
from app.storage.order_lookup import StoredOrder


@dataclass(slots=True)
class Comparison:
    """What differs, what is the same, and what cannot be said.

    ``not_covered`` counts splits by cause; ``end_not_covered`` is the cause if the order's end is
    not covered. ``durable`` is what was found in the database, ``undurable`` what was not, as far
    as it may be missing.
    """

    order_id: OrderId
    differences: list[Difference] = field(default_factory=list)
    splits: int = 0
    not_covered: Counter[str] = field(default_factory=Counter)
    end_not_covered: str | None = None
    durable: list[Act] = field(default_factory=list)
    undurable: list[Act] = field(default_factory=list)

    def differ(self, kind: Kind, where: str, recorded: object, stored: object) -> None:
        """Add a difference."""
        self.differences.append(
            Difference(
                kind=kind,
                order_id=self.order_id,
                where=where,
                recorded=str(recorded),
                stored=str(stored),
            )
        )


def compare(
    derived: DerivedOrder, stored: StoredOrder, *, may_lag: bool, blind_from: str | None
) -> Comparison:
    """Hold an order against its rows.

    ``may_lag`` allows the database to lack the newest of what was derived. ``blind_from`` is the
    cause why it may have more than was derived, None if it may not.
    """
    comparison = Comparison(derived.order.order_id)
    snapshot = stored.snapshot
    if snapshot is None:
        comparison.differ(Kind.FORM, "a row", "one that can be read", stored.malformation)
        return comparison
    if snapshot.order != derived.order:
        comparison.differ(Kind.ORDER, "the order", derived.order, snapshot.order)
    _compare_counts(comparison, snapshot, len(stored.splits))
    if _ends_alike(derived, snapshot):
        blind_from = None  # nothing can have come after
    _compare_splits(comparison, derived, stored.splits, may_lag=may_lag, blind_from=blind_from)
    if snapshot.status.is_terminal:
        _compare_end(comparison, derived, snapshot, blind_from)
    else:
        _compare_open(comparison, derived, snapshot, may_lag=may_lag)
    return comparison


def _compare_counts(comparison: Comparison, stored: OrderSnapshot, splits_total: int) -> None:
    """Hold what an order's row says of its splits and events against the splits themselves."""
    has_end_of_its_own = stored.status.is_terminal and stored.status is not OrderStatus.FILLED
    told = (splits_total, 1 + splits_total + has_end_of_its_own)
    found = (stored.splits_total, stored.last_sequence)
    if told != found:
        texts = [f"{splits} splits, {events} events" for splits, events in (told, found)]
        comparison.differ(Kind.COUNTS, "the order", *texts)


def _ends_alike(derived: DerivedOrder, stored: OrderSnapshot) -> bool:
    """Whether the end that was derived is the one that is stored."""
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
    blind_from: str | None,
) -> None:
    by_number = {split.split_number: split for split in stored}
    newest = max(by_number, default=0)
    for number in sorted(by_number.keys() | derived.splits.keys()):
        split, expected = by_number.get(number), derived.splits.get(number)
        if split is None:
            assert expected is not None, "it is on one side at least"
            if may_lag and number > newest:
                comparison.undurable.append(expected.act)
            else:
                comparison.differ(Kind.MISSING_SPLIT, f"split {number}", _told(expected), "none")
        elif expected is None:
            _judge_extra(comparison, derived, split, blind_from)
        else:
            _compare_split(comparison, split, expected)


def _judge_extra(
    comparison: Comparison, derived: DerivedOrder, split: Split, blind_from: str | None
) -> None:
    """Say of a split that was not derived whether it could have been."""
    number = split.split_number
    if number <= derived.known_from:
        if not derived.was_verified:
            comparison.not_covered[derived.unknown_because] += 1
        return
    cause = derived.not_covered.get(number)
    if cause is None and split.update_id > derived.cut_at.get(number, split.update_id):
        cause = CUT_OFF
    if cause is None and number > derived.splits_total:
        has_its_quote = split.update_id <= derived.session.newest_update_id
        cause = None if blind_from == CUT_OFF and has_its_quote else blind_from
    if cause is not None:
        comparison.not_covered[cause] += 1
    else:
        comparison.differ(Kind.EXTRA_SPLIT, f"split {number}", "none", _stored(split))


def _compare_split(comparison: Comparison, split: Split, derived: DerivedSplit) -> None:
    fill = derived.fill
    where = f"split {split.split_number}"
    pairs = (
        (Kind.UPDATE_ID, fill.update_id, split.update_id),
        (Kind.PRICE, fill.price, split.price),
        (Kind.QUANTITY, fill.quantity, split.quantity),
        (Kind.DISPLAYED_QUANTITY, fill.displayed_quantity, split.displayed_quantity),
    )
    differing = [kind for kind, told, found in pairs if told != found]
    for kind in differing:
        comparison.differ(kind, where, _told(derived), _stored(split))
    shown = (derived.touch_price, derived.touch_quantity)
    if split.update_id == fill.update_id and shown != (split.price, split.displayed_quantity):
        told = f"{format_amount(shown[1])} at {format_amount(shown[0])}"
        comparison.differ(Kind.QUOTE, where, f"quote {fill.update_id} shows {told}", _stored(split))
    if not differing:
        comparison.splits += 1
        comparison.durable.append(derived.act)


def _compare_end(
    comparison: Comparison, derived: DerivedOrder, stored: OrderSnapshot, blind_from: str | None
) -> None:
    end = derived.end
    if end is None:
        if blind_from is not None:
            comparison.end_not_covered = blind_from
        else:
            comparison.differ(Kind.STATUS, "the order", "open", stored.status)
        return
    comparison.durable.append(end.act)
    pairs = (
        (Kind.STATUS, end.status, stored.status),
        (Kind.REASON, end.reason, stored.reason),
        (Kind.ARRIVAL, end.arrival, stored.arrival),
        (Kind.DEPARTURE, end.departure_update_id, stored.departure_update_id),
        (Kind.DECISION, end.decision, stored.decision),
        (Kind.QUOTES_SEEN, end.quotes_seen, stored.quotes_seen),
        (Kind.FILLED_QUANTITY, _sums(*derived.sums), _sums_of(stored)),
    )
    for kind, told, found in pairs:
        if told != found:
            comparison.differ(kind, "the order", told, found)


def _compare_open(
    comparison: Comparison, derived: DerivedOrder, stored: OrderSnapshot, *, may_lag: bool
) -> None:
    if derived.end is not None:
        if may_lag:
            comparison.undurable.append(derived.end.act)
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
    for kind, told, found in pairs:
        if told != found:
            comparison.differ(kind, "the order", told, found)


def _told(derived: DerivedSplit) -> str:
    fill = derived.fill
    return _split(fill.quantity, fill.price, fill.displayed_quantity, fill.update_id)


def _stored(split: Split) -> str:
    return _split(split.quantity, split.price, split.displayed_quantity, split.update_id)


def _split(quantity: Decimal, price: Decimal, displayed: Decimal, update_id: int) -> str:
    taken, shown = format_amount(quantity), format_amount(displayed)
    return f"{taken} at {format_amount(price)} of {shown} displayed by quote {update_id}"


def _sums_of(stored: OrderSnapshot) -> str:
    return _sums(stored.filled_quantity, stored.quote_quantity)


def _sums(filled: Decimal, quote: Decimal) -> str:
    return f"{format_amount(filled)} for {format_amount(quote)}"
