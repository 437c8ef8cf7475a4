"""The invariants that an audit checks, and its findings."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Self

EXAMPLES_MAX: Final = 20
"""The violations kept per invariant; further ones are only counted."""


class Rule(StrEnum):
    """The name of a rule, and the sentence that a report prints for it."""

    sentence: str

    def __new__(cls, name: str, sentence: str) -> Self:
        """Return the member for a name."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.sentence = sentence
        return member


class Invariant(Rule):
    """The invariants of a database."""

    INTEGRITY = "integrity", "the database finds itself intact"
    REFERENCES = "references", "events, splits and fulfilled orders have their order"
    FORM = "form", "every value can be read exactly"
    SEQUENCES = "sequences", "the events of an order count 1..n, the first is NEW"
    POSITIONS = "positions", "the positions of an order's events rise"
    TRANSITIONS = "transitions", "every change of status is allowed, nothing follows the last"
    ORDER_STATE = "order_state", "an order is as its last event left it"
    SPLIT_NUMBERS = "split_numbers", "the splits of an order count 1..n, each with its event"
    SUMS = "sums", "splits sum exactly to what events and order say"
    LIMIT_PRICE = "limit_price", "no split is beyond the limit price"
    OVERFILLED = "overfilled", "no order is filled beyond its quantity, FILLED is the whole of it"
    DISPLAYED = "displayed", "no split is larger than what was displayed"
    FULFILLED_ORDERS = "fulfilled_orders", "FILLED orders, and only they, stand in fulfilled_orders"
    CLIENT_ORDER_IDS = "client_order_ids", "each client order id belongs to one order"
    TIME_IN_FORCE = "time_in_force", "IOC and FOK were decided on one quote, FOK as a whole"
    DECISIONS = "decisions", "an IOC or FOK order got no less than its quote had left for it"
    REASONS = "reasons", "an order that ended unfilled says why, and could end so"
    TIMES = "times", "nothing happened to an order before its acceptance"
    UPDATE_ID_BOUNDS = (
        "update_id_bounds",
        "splits lie between the update ids at which an order came and went",
    )
    SOLD_ONCE = "sold_once", "one quote shows one price, and is not sold beyond its quantity"
    UPDATE_IDS = "update_ids", "the update ids of a symbol's splits do not fall"
    LEDGER = "ledger", "the ledger remembers the last quote's splits, and no more than was sold"
    GATES = "gates", "a symbol with splits has its gate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One violated invariant; ``order_id`` is None if the violation belongs to no order."""

    invariant: Invariant
    order_id: str | None
    detail: str


@dataclass(slots=True)
class Finding:
    """The result for one invariant.

    Attributes:
        invariant: The invariant.
        rows: The number of rows checked.
        violations: The number of violations found.
        examples: The first ``EXAMPLES_MAX`` violations.
    """

    invariant: Invariant
    rows: int = 0
    violations: int = 0
    examples: list[Violation] = field(default_factory=list)


@dataclass(slots=True)
class AuditReport:
    """The findings of an audit, collected in bounded memory.

    Attributes:
        database: The name of the database, without a password.
        orders: The number of orders in it.
        findings: One finding per invariant.
        notes: The first ``EXAMPLES_MAX`` observations that are unusual but no violation, such as a
            venue that restarted its update ids.
        notes_total: The number of all such observations.
    """

    database: str
    orders: int = 0
    findings: dict[Invariant, Finding] = field(
        default_factory=lambda: {invariant: Finding(invariant) for invariant in Invariant}
    )
    notes: tuple[str, ...] = ()
    notes_total: int = 0

    def look(self, invariant: Invariant, rows: int = 1) -> None:
        """Count rows that were checked."""
        self.findings[invariant].rows += rows

    def blame(self, invariant: Invariant, order_id: str | None, detail: str) -> None:
        """Add a violation."""
        finding = self.findings[invariant]
        finding.violations += 1
        if len(finding.examples) < EXAMPLES_MAX:
            finding.examples.append(
                Violation(invariant=invariant, order_id=order_id, detail=detail)
            )

    def note(self, text: str) -> None:
        """Add an observation that is unusual but no violation."""
        self.notes_total += 1
        if len(self.notes) < EXAMPLES_MAX:
            self.notes += (text,)

    @property
    def is_sound(self) -> bool:
        """Whether every invariant holds."""
        return not self.violations_total

    @property
    def violations_total(self) -> int:
        """The number of all violations."""
        return sum(finding.violations for finding in self.findings.values())

    @property
    def violated(self) -> frozenset[Invariant]:
        """The violated invariants."""
        return frozenset(one.invariant for one in self.findings.values() if one.violations)

    @property
    def examples(self) -> tuple[Violation, ...]:
        """The first violations of each violated invariant, about ``EXAMPLES_MAX`` in total."""
        share = max(1, EXAMPLES_MAX // max(1, len(self.violated)))
        return tuple(one for finding in self.findings.values() for one in finding.examples[:share])
