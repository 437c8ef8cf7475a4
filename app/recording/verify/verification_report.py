"""The findings of a verification."""

from dataclasses import dataclass, field
from typing import Final

from app.auditing.audit_report import Rule

DIFFERENCES_MAX: Final = 200
"""Differences that the report keeps; it only counts the others."""


class Kind(Rule):
    """The kinds of differences."""

    UNKNOWN_ORDER = "unknown_order", "the recording has an order that the database lacks"
    UNRECORDED_ORDER = "unrecorded_order", "the database has an order that the recording lacks"
    FORM = "form", "a row cannot be read"
    ORDER = "order", "the order has other values"
    MISSING_SPLIT = "missing_split", "the database lacks a split"
    EXTRA_SPLIT = "extra_split", "the database has a split that does not follow from the recording"
    UPDATE_ID = "update_id", "a split names another quote"
    PRICE = "price", "a split has another price"
    QUANTITY = "quantity", "a split has another quantity"
    DISPLAYED_QUANTITY = "displayed_quantity", "a split has another displayed quantity"
    STATUS = "status", "an order has another status"
    REASON = "reason", "an order ended for another reason"
    FILLED_QUANTITY = "filled_quantity", "an order has other sums"
    COUNTS = "counts", "an order counts its splits or events wrongly"
    ARRIVAL = "arrival", "an order met another quote first"
    DEPARTURE = "departure", "an order ended at another quote"
    DECISION = "decision", "an order was decided on other quantities"
    QUOTES_SEEN = "quotes_seen", "an order met another number of quotes"
    CARRIED = "carried", "an order was resumed with other splits or sums than it had"
    NOT_A_TAIL = "not_a_tail", "a result was lost although a later one is stored"
    QUOTE = "quote", "a split contradicts its quote"
    SOLD_TWICE = "sold_twice", "displayed quantity was sold twice"
    LATE = "late", "a quote filled an order after its deadline"
    HALTED = "halted", "a quote filled an order while its symbol did not trade"
    LEDGER = "ledger", "a symbol began with another ledger than was stored before"
    STATE = "state", "the recording contradicts itself"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One difference with both sides; ``order_id`` is None if it concerns no single order."""

    kind: Kind
    order_id: str | None
    where: str
    recorded: str
    stored: str


@dataclass(slots=True, kw_only=True)
class VerificationReport:
    """The result of a verification, collected in bounded memory.

    Attributes:
        database: The URL or path that was given.
        files: The number of files read.
        frames: The number of frames read.
        orders: The number of derived orders that equal their rows.
        splits: The number of derived splits that equal their rows.
        orders_differing: The number of orders with differences.
        differences_total: The number of differences.
        differences: The first ``DIFFERENCES_MAX`` of them.
        orders_not_covered: The number of orders with parts that no recording covers.
        splits_not_covered: The number of splits that no recording covers.
        causes: The number of uncovered splits and ends by cause.
        undurable: The number of derived splits and ends that are not stored, either not yet or
            because a crash cut them off.
    """

    database: str
    files: int = 0
    frames: int = 0
    orders: int = 0
    splits: int = 0
    orders_differing: int = 0
    differences_total: int = 0
    differences: tuple[Difference, ...] = ()
    orders_not_covered: int = 0
    splits_not_covered: int = 0
    causes: dict[str, int] = field(default_factory=dict)
    undurable: int = 0

    @property
    def differs(self) -> bool:
        """Tell whether anything differs."""
        return self.differences_total > 0

    @property
    def is_covered(self) -> bool:
        """Tell whether the recording covers every order and split."""
        return not self.orders_not_covered and not self.splits_not_covered

    def differ(
        self, kind: Kind, order_id: str | None, where: str, *, recorded: object, stored: object
    ) -> None:
        """Add a difference between two values of any type."""
        self.differences_total += 1
        # A wrong recording may cause a difference for each of many orders.
        if len(self.differences) < DIFFERENCES_MAX:
            difference = Difference(
                kind=kind,
                order_id=order_id,
                where=where,
                recorded=str(recorded),
                stored=str(stored),
            )
            self.differences += (difference,)

    def leave_out(self, cause: str, count: int = 1) -> None:
        """Count splits or ends that no recording covers."""
        self.causes[cause] = self.causes.get(cause, 0) + count
