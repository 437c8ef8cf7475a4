"""One order as it follows from the recording: its splits and its end."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from app.domain.order import Order, OrderStatus
from app.domain.resting import Closing, Fill, Step
from app.recording.verify.recording_reader import IN_A_GAP
from app.recording.verify.session_replay import InputRef, SymbolSession
from app.storage.order_lookup import StoredOrder


class DerivedSplit(NamedTuple):
    """A fill of the replayed matcher, and what the recorded quote displayed."""

    fill: Fill
    source: InputRef
    displayed_price: Decimal
    displayed_quantity: Decimal


class DerivedEnd(NamedTuple):
    """The step of the replayed matcher that ended an order: a closing, or the last fill."""

    step: Step
    source: InputRef


@dataclass(slots=True, kw_only=True)
class DerivedOrder:
    """An order as it is derived.

    Attributes:
        order: The terms of the order.
        deadline_ns: The last instant at which a received quote may fill it.
        session: The session that held the order last.
        splits_unrecorded: The splits up to this number were made before the recording begins.
        unrecorded_cause: Why the recording lacks these splits.
        not_covered: Numbers of later splits that the recording lacks, each with the cause and the
            last update id that was recorded before.
        was_verified: The unrecorded splits were compared with the database in an earlier session.
        resumed_sums: The filled quantity and its cost when the session began to hold the order.
        splits: The derived splits by number.
        end: The end, None while the order is open.
    """

    order: Order
    deadline_ns: int = 0
    session: SymbolSession
    splits_unrecorded: int
    unrecorded_cause: str
    not_covered: dict[int, tuple[str, int]] = field(default_factory=dict)
    was_verified: bool
    resumed_sums: tuple[Decimal, Decimal]
    splits: dict[int, DerivedSplit] = field(default_factory=dict)
    end: DerivedEnd | None = None

    @property
    def splits_total(self) -> int:
        """The number of splits, including those that are not covered."""
        return max(self.splits_unrecorded, *self.splits, *self.not_covered, 0)

    @property
    def sums(self) -> tuple[Decimal, Decimal]:
        """The filled quantity and its cost after the newest split."""
        newest = self.splits.get(self.splits_total)
        if newest is None:
            return self.resumed_sums
        return newest.fill.filled_quantity, newest.fill.quote_quantity

    def drop_lost_before_gap(self, stored: StoredOrder) -> list[InputRef]:
        """Drop the fills and the end that a crash lost, and return the inputs that caused them.

        The order was resumed by a process that recorded nothing. This shows in the database: a
        stored split has a newer quote than the crashed process had, or the end is another one. The
        splits stored instead are marked as not covered.
        """
        if stored.snapshot is None:
            return []
        by_number = {split.split_number: split for split in stored.splits}
        for number, derived in sorted(self.splits.items()):
            session, split = derived.source.session, by_number.get(number)
            if not session.may_have_lost_results:
                continue
            if split is None or split.update_id > session.newest_update_id:
                return self._drop_from(session, number)
        end = self.end
        if end is None or not end.source.session.may_have_lost_results:
            return []
        facts = end_after(end.step)
        # The stored end is the derived one, so it was not lost.
        if (facts["status"], facts["reason"]) == (stored.snapshot.status, stored.snapshot.reason):
            return []
        return self.drop((), with_end=True)

    def _drop_from(self, session: SymbolSession, first: int) -> list[InputRef]:
        # A crash loses every outcome of the session from the first lost one on.
        numbers = [
            number
            for number, split in sorted(self.splits.items())
            if number >= first and split.source.session is session
        ]
        self.not_covered |= dict.fromkeys(numbers, (IN_A_GAP, 0))
        is_end_lost = self.end is not None and self.end.source.session is session
        return self.drop(numbers, with_end=is_end_lost)

    def drop(self, numbers: Iterable[int], *, with_end: bool) -> list[InputRef]:
        """Drop these splits, and the end if there is one; return the inputs that caused them."""
        sources = [self.splits.pop(number).source for number in numbers]
        if with_end and self.end is not None:
            sources.append(self.end.source)
            self.end = None
        return sources


def progress_after(step: Step) -> dict[str, object]:
    """Return what the row of an order says after a step, whether or not the order ended."""
    return {
        "arrival": step.arrival,
        "quotes_seen": step.quotes_seen,
        "filled_quantity": step.filled_quantity,
        "quote_quantity": step.quote_quantity,
    }


def end_after(step: Step) -> dict[str, object]:
    """Return what the row of an order says about its end, which is this step."""
    if isinstance(step, Closing):
        return {
            "status": step.status,
            "reason": step.reason,
            "departure_update_id": step.departure_update_id,
            "decision": step.decision,
        }
    return {
        "status": OrderStatus.FILLED,
        "reason": None,
        "departure_update_id": step.update_id,
        "decision": None,
    }
