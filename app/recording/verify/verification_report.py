"""The findings of a verification."""

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

DIFFERENCES_MAX: Final = 200
"""Differences that the report keeps; it only counts the others."""


class Kind(StrEnum):
    """The kinds of differences."""

    UNKNOWN_ORDER = "unknown_order"
    UNRECORDED_ORDER = "unrecorded_order"
    FORM = "form"
    ORDER = "order"
    MISSING_SPLIT = "missing_split"
    EXTRA_SPLIT = "extra_split"
    UPDATE_ID = "update_id"
    PRICE = "price"
    QUANTITY = "quantity"
    DISPLAYED_QUANTITY = "displayed_quantity"
    STATUS = "status"
    REASON = "reason"
    FILLED_QUANTITY = "filled_quantity"
    COUNTS = "counts"
    ARRIVAL = "arrival"
    DEPARTURE = "departure"
    DECISION = "decision"
    QUOTES_SEEN = "quotes_seen"
    CARRIED = "carried"
    NOT_A_TAIL = "not_a_tail"
    QUOTE = "quote"
    SOLD_TWICE = "sold_twice"
    LATE = "late"
    LEDGER = "ledger"
    STATE = "state"


SENTENCES: Final = {
    Kind.UNKNOWN_ORDER: "the recording has an order that the database lacks",
    Kind.UNRECORDED_ORDER: "the database has an order that the recording lacks",
    Kind.FORM: "a row cannot be read",
    Kind.ORDER: "the order has other values",
    Kind.MISSING_SPLIT: "the database lacks a split",
    Kind.EXTRA_SPLIT: "the database has a split that does not follow from the recording",
    Kind.UPDATE_ID: "a split names another quote",
    Kind.PRICE: "a split has another price",
    Kind.QUANTITY: "a split has another quantity",
    Kind.DISPLAYED_QUANTITY: "a split has another displayed quantity",
    Kind.STATUS: "an order has another status",
    Kind.REASON: "an order ended for another reason",
    Kind.FILLED_QUANTITY: "an order has other sums",
    Kind.COUNTS: "an order counts its splits or events wrongly",
    Kind.ARRIVAL: "an order met another quote first",
    Kind.DEPARTURE: "an order ended at another quote",
    Kind.DECISION: "an order was decided on other quantities",
    Kind.QUOTES_SEEN: "an order met another number of quotes",
    Kind.CARRIED: "an order was resumed with other splits or sums than it had",
    Kind.NOT_A_TAIL: "a result was lost although a later one is stored",
    Kind.QUOTE: "a split contradicts its quote",
    Kind.SOLD_TWICE: "displayed quantity was sold twice",
    Kind.LATE: "a quote filled an order after its deadline",
    Kind.LEDGER: "a symbol began with another ledger than was stored before",
    Kind.STATE: "the recording contradicts itself",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One difference with both sides; ``order_id`` is None if it concerns no single order."""

    kind: Kind
    order_id: str | None
    where: str
    recorded: str
    stored: str

    @classmethod
    def of(
        cls, kind: Kind, order_id: str | None, where: str, *, recorded: object, stored: object
    ) -> "Difference":
        """Return the difference between two values of any type."""
        return cls(
            kind=kind,
            order_id=order_id,
            where=where,
            recorded=str(recorded),
            stored=str(stored),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationReport:
    """The result of a verification.

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
    files: int
    frames: int
    orders: int
    splits: int
    orders_differing: int
    differences_total: int
    differences: tuple[Difference, ...]
    orders_not_covered: int
    splits_not_covered: int
    causes: dict[str, int]
    undurable: int

    @property
    def differs(self) -> bool:
        """Tell whether anything differs."""
        return self.differences_total > 0

    @property
    def is_covered(self) -> bool:
        """Tell whether the recording covers every order and split."""
        return not self.orders_not_covered and not self.splits_not_covered


class Findings:
    """Collects findings in bounded memory."""

    def __init__(self) -> None:
        self.orders = 0
        self.splits = 0
        self.orders_differing = 0
        self.orders_not_covered = 0
        self.splits_not_covered = 0
        self.undurable = 0
        self.causes: Counter[str] = Counter()
        self.differences_total = 0
        self.differences: list[Difference] = []

    def differ(
        self, kind: Kind, order_id: str | None, where: str, *, recorded: object, stored: object
    ) -> None:
        """Add a difference made of these values."""
        self.add(Difference.of(kind, order_id, where, recorded=recorded, stored=stored))

    def add(self, difference: Difference) -> None:
        """Add a difference."""
        self.differences_total += 1
        # A wrong recording may cause a difference for each of many orders.
        if len(self.differences) < DIFFERENCES_MAX:
            self.differences.append(difference)

    def report(self, database: str, *, files: int, frames: int) -> VerificationReport:
        """Return the report of everything added so far."""
        return VerificationReport(
            database=database,
            files=files,
            frames=frames,
            orders=self.orders,
            splits=self.splits,
            orders_differing=self.orders_differing,
            differences_total=self.differences_total,
            differences=tuple(self.differences),
            orders_not_covered=self.orders_not_covered,
            splits_not_covered=self.splits_not_covered,
            causes=dict(self.causes),
            undurable=self.undurable,
        )
