"""The invariants that an audit checks, and its findings."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

EXAMPLES_MAX: Final = 20
"""The violations kept per invariant; further ones are only counted."""


class Invariant(StrEnum):
    """The invariants of a database; ``SENTENCES`` describes each."""

    INTEGRITY = "integrity"
    REFERENCES = "references"
    FORM = "form"
    SEQUENCES = "sequences"
    POSITIONS = "positions"
    TRANSITIONS = "transitions"
    ORDER_STATE = "order_state"
    SPLIT_NUMBERS = "split_numbers"
    SUMS = "sums"
    LIMIT_PRICE = "limit_price"
    OVERFILLED = "overfilled"
    DISPLAYED = "displayed"
    FULFILLED_ORDERS = "fulfilled_orders"
    CLIENT_ORDER_IDS = "client_order_ids"
    TIME_IN_FORCE = "time_in_force"
    DECISIONS = "decisions"
    REASONS = "reasons"
    TIMES = "times"
    UPDATE_ID_BOUNDS = "update_id_bounds"
    SOLD_ONCE = "sold_once"
    UPDATE_IDS = "update_ids"
    LEDGER = "ledger"
    GATES = "gates"


SENTENCES: Final = {
    Invariant.INTEGRITY: "the database finds itself intact",
    Invariant.REFERENCES: "events, splits and fulfilled orders have their order",
    Invariant.FORM: "every value can be read exactly",
    Invariant.SEQUENCES: "the events of an order count 1..n, the first is NEW",
    Invariant.POSITIONS: "the positions of an order's events rise",
    Invariant.TRANSITIONS: "every change of status is allowed, nothing follows the last",
    Invariant.ORDER_STATE: "an order is as its last event left it",
    Invariant.SPLIT_NUMBERS: "the splits of an order count 1..n, each with its event",
    Invariant.SUMS: "splits sum exactly to what events and order say",
    Invariant.LIMIT_PRICE: "no split is beyond the limit price",
    Invariant.OVERFILLED: "no order is filled beyond its quantity, FILLED is the whole of it",
    Invariant.DISPLAYED: "no split is larger than what was displayed",
    Invariant.FULFILLED_ORDERS: "FILLED orders, and only they, stand in fulfilled_orders",
    Invariant.CLIENT_ORDER_IDS: "each client order id belongs to one order",
    Invariant.TIME_IN_FORCE: "IOC and FOK were decided on one quote, FOK as a whole",
    Invariant.DECISIONS: "an IOC or FOK order got no less than its quote had left for it",
    Invariant.REASONS: "an order that ended unfilled says why, and could end so",
    Invariant.TIMES: "nothing happened to an order before its acceptance",
    Invariant.UPDATE_ID_BOUNDS: "splits lie between the update ids at which an order came and went",
    Invariant.SOLD_ONCE: "one quote shows one price, and is not sold beyond its quantity",
    Invariant.UPDATE_IDS: "the update ids of a symbol's splits do not fall",
    Invariant.LEDGER: "the ledger remembers the last quote's splits, and no more than was sold",
    Invariant.GATES: "a symbol with splits has its gate",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One violated invariant; ``order_id`` is None if the violation belongs to no order."""

    invariant: Invariant
    order_id: str | None
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result for one invariant.

    Attributes:
        invariant: The invariant.
        rows: The number of rows checked.
        violations: The number of violations found.
        examples: The first ``EXAMPLES_MAX`` violations.
    """

    invariant: Invariant
    rows: int
    violations: int
    examples: tuple[Violation, ...]

    @property
    def sentence(self) -> str:
        """The description of the invariant."""
        return SENTENCES[self.invariant]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """The findings of an audit.

    Attributes:
        database: The name of the database, without a password.
        orders: The number of orders in it.
        findings: One finding per invariant.
        notes: The first ``EXAMPLES_MAX`` observations that are unusual but no violation, such as a
            venue that restarted its update ids.
        notes_total: The number of all such observations.
    """

    database: str
    orders: int
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    notes_total: int

    @property
    def is_sound(self) -> bool:
        """Whether every invariant holds."""
        return not self.violations_total

    @property
    def violations_total(self) -> int:
        """The number of all violations."""
        return sum(finding.violations for finding in self.findings)

    @property
    def violated(self) -> frozenset[Invariant]:
        """The violated invariants."""
        return frozenset(finding.invariant for finding in self.findings if finding.violations)

    @property
    def examples(self) -> tuple[Violation, ...]:
        """The first violations of each violated invariant, about ``EXAMPLES_MAX`` in total."""
        share = max(1, EXAMPLES_MAX // max(1, len(self.violated)))
        return tuple(one for finding in self.findings for one in finding.examples[:share])


class Findings:
    """Collects the findings during an audit, in bounded memory."""

    def __init__(self) -> None:
        self._rows: Counter[Invariant] = Counter()
        self._violations: Counter[Invariant] = Counter()
        self._examples: defaultdict[Invariant, list[Violation]] = defaultdict(list)
        self._notes: list[str] = []
        self._notes_total = 0

    def look(self, invariant: Invariant, rows: int = 1) -> None:
        """Count rows that were checked."""
        self._rows[invariant] += rows

    def blame(self, invariant: Invariant, order_id: str | None, detail: str) -> None:
        """Add a violation."""
        self._violations[invariant] += 1
        if len(self._examples[invariant]) < EXAMPLES_MAX:
            self._examples[invariant].append(
                Violation(invariant=invariant, order_id=order_id, detail=detail)
            )

    def note(self, text: str) -> None:
        """Add an observation that is unusual but no violation."""
        self._notes_total += 1
        if len(self._notes) < EXAMPLES_MAX:
            self._notes.append(text)

    def report(self, database: str, *, orders: int) -> AuditReport:
        """Return the report of all findings."""
        findings = tuple(
            Finding(
                invariant=invariant,
                rows=self._rows[invariant],
                violations=self._violations[invariant],
                examples=tuple(self._examples[invariant]),
            )
            for invariant in Invariant
        )
        return AuditReport(
            database=database,
            orders=orders,
            findings=findings,
            notes=tuple(self._notes),
            notes_total=self._notes_total,
        )
