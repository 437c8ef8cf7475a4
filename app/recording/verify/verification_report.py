"""What a verification found."""

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

DIFFERENCES_MAX: Final = 200
"""Differences kept; the rest is counted."""


class Kind(StrEnum):
    """What differs."""

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
    Kind.UNKNOWN_ORDER: "the recording has an order that the database does not know",
    Kind.UNRECORDED_ORDER: "the database has an order that the recording should have and has not",
    Kind.FORM: "a row cannot be read",
    Kind.ORDER: "the order is another one",
    Kind.MISSING_SPLIT: "a split is missing in the database",
    Kind.EXTRA_SPLIT: "the database has a split that does not follow from the recording",
    Kind.UPDATE_ID: "a split names another quote",
    Kind.PRICE: "a split has another price",
    Kind.QUANTITY: "a split has another quantity",
    Kind.DISPLAYED_QUANTITY: "a split tells another displayed quantity",
    Kind.STATUS: "an order has another status",
    Kind.REASON: "an order ended for another reason",
    Kind.FILLED_QUANTITY: "an order tells another sum",
    Kind.COUNTS: "an order tells another number of splits or events than it has",
    Kind.ARRIVAL: "an order met another quote first",
    Kind.DEPARTURE: "an order ended at another quote",
    Kind.DECISION: "an order was decided on other quantities",
    Kind.QUOTES_SEEN: "an order met another number of quotes",
    Kind.CARRIED: "an order was taken up with other sums than it had",
    Kind.NOT_A_TAIL: "something was lost, and what came after it was not",
    Kind.QUOTE: "a split is not what its quote displayed",
    Kind.SOLD_TWICE: "displayed quantity was sold twice",
    Kind.LATE: "a quote filled an order whose time was up",
    Kind.LEDGER: "a symbol began with another ledger than it had",
    Kind.STATE: "the recording contradicts itself",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One difference with both sides; ``order_id`` is None if no order is to blame."""

    kind: Kind
    order_id: str | None
    where: str
    recorded: str
    stored: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationReport:
    """What a verification found; of differences the first ``DIFFERENCES_MAX`` are kept.

    ``orders`` and ``splits`` were derived and are the same in the database. ``orders_differing``
    counts orders with differences, ``differences_total`` all differences. ``splits_not_covered``
    and ``orders_not_covered`` lie in no recording, ``causes`` says why. ``undurable`` counts splits
    and ends that were derived and never became durable: not yet, or cut off by a crash.
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
        """Whether anything differs."""
        return self.differences_total > 0

    @property
    def is_covered(self) -> bool:
        """Whether the recording covers everything."""
        return not self.orders_not_covered and not self.splits_not_covered


class Findings:
    """Gathers what is found; what it keeps is bounded."""

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
        """Add a difference."""
        self.add(
            Difference(
                kind=kind,
                order_id=order_id,
                where=where,
                recorded=str(recorded),
                stored=str(stored),
            )
        )

    def add(self, difference: Difference) -> None:
        """Add a difference."""
        self.differences_total += 1
        if len(self.differences) < DIFFERENCES_MAX:
            self.differences.append(difference)

    def report(self, database: str, *, files: int, frames: int) -> VerificationReport:
        """Return all that was found."""
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
