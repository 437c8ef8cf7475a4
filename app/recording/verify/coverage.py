"""Which orders the recording should know, and which it does."""

from app.domain.order import Order
from app.recording.verify.recording_reader import CUT_OFF, Seam
from app.recording.verify.verification_report import Findings, Kind
from app.storage.order_lookup import OrderLookup


class Coverage:
    """Remembers the orders that were seen, one bit each, and the numbers accepted in gaps."""

    def __init__(self, lookup: OrderLookup, findings: Findings) -> None:
        self._lookup = lookup
        self._findings = findings
        self._seen = _NumberSet()
        self._verified = _NumberSet()
        self._newest_seen = 0
        self._gaps: list[tuple[int, int, str]] = []

    def cross(self, seam: Seam) -> None:
        """Go on to another file: what was accepted in between may be unknown."""
        if seam.cause is not None:
            newest = seam.begun.acceptance_number
            self._gaps.append((self._newest_seen, newest, seam.cause))
            self._newest_seen = max(self._newest_seen, newest)

    def see(self, order: Order) -> None:
        """Take note of an order."""
        self._seen.add(order.acceptance_number)
        self._newest_seen = max(self._newest_seen, order.acceptance_number)

    def note_verified(self, order: Order) -> None:
        """Take note that an order is in the database as derived."""
        self._verified.add(order.acceptance_number)

    def was_verified(self, order: Order) -> bool:
        """Whether an order was in the database as derived before."""
        return order.acceptance_number in self._verified

    def cause_of(self, acceptance_number: int) -> str | None:
        """Return why an order with this number may be unknown, None if it may not."""
        for above, until, cause in self._gaps:
            if above < acceptance_number <= until:
                return cause
        return None

    def finish(self, *, was_cut_off: bool) -> None:
        """Judge the orders that were not seen."""
        if was_cut_off:
            self._gaps.append((self._newest_seen, self._lookup.newest, CUT_OFF))
        for mark in self._lookup.marks():
            number = mark.acceptance_number
            if number in self._seen or mark.is_untouched:
                continue
            cause = self.cause_of(number)
            if cause is not None:
                self._findings.orders_not_covered += 1
                self._findings.splits_not_covered += mark.splits_total
                self._findings.causes[cause] += max(1, mark.splits_total)
                continue
            self._findings.orders_differing += 1
            self._findings.differ(
                Kind.UNRECORDED_ORDER,
                mark.order_id,
                f"acceptance number {number}",
                recorded="none",
                stored=f"{mark.splits_total} splits, {mark.last_sequence} events",
            )


class _NumberSet:
    """Numbers from 1 on, one bit each."""

    def __init__(self) -> None:
        self._bits = bytearray()

    def add(self, number: int) -> None:
        """Take in a number."""
        place, bit = divmod(number, 8)
        if place >= len(self._bits):
            self._bits.extend(bytes(place + 1 - len(self._bits) + len(self._bits) // 2))
        self._bits[place] |= 1 << bit

    def __contains__(self, number: int) -> bool:
        """Whether it was taken in."""
        place, bit = divmod(number, 8)
        return place < len(self._bits) and bool(self._bits[place] & (1 << bit))
