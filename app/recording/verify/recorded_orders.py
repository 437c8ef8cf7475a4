"""Tell which stored orders the recording must contain, and report those that it lacks."""

from app.domain.order import Order
from app.recording.verify.recording_reader import CUT_OFF, FileBoundary
from app.recording.verify.verification_report import Kind, VerificationReport
from app.storage.order_lookup import OrderLookup


class RecordedOrders:
    """The recorded orders, one bit each, and the acceptance numbers that fell into gaps.

    ``verified`` holds the acceptance numbers of the orders that equal their rows.
    """

    def __init__(self, lookup: OrderLookup, report: VerificationReport) -> None:
        self._lookup = lookup
        self._report = report
        self._recorded = NumberSet()
        self.verified = NumberSet()
        self._newest_recorded = 0
        self._gaps: list[tuple[int, int, str]] = []

    def begin_file(self, boundary: FileBoundary) -> None:
        """Remember the orders accepted in the gap before a file: the recording may lack them."""
        if boundary.cause is not None:
            newest = boundary.begun.acceptance_number
            self._gaps.append((self._newest_recorded, newest, boundary.cause))
            self._newest_recorded = max(self._newest_recorded, newest)

    def add(self, order: Order) -> None:
        """Mark an order as recorded."""
        self._recorded.add(order.acceptance_number)
        self._newest_recorded = max(self._newest_recorded, order.acceptance_number)

    def gap_cause(self, acceptance_number: int) -> str | None:
        """Return why the recording may lack this order, or None if it must contain it."""
        for above, until, cause in self._gaps:
            if above < acceptance_number <= until:
                return cause
        return None

    def finish(self, *, was_cut_off: bool) -> None:
        """Report the stored orders that the recording lacks."""
        if was_cut_off:
            self._gaps.append((self._newest_recorded, self._lookup.newest, CUT_OFF))
        for mark in self._lookup.marks():
            number = mark.acceptance_number
            # A matcher need not have received an order without events after its acceptance.
            if number in self._recorded or mark.is_untouched:
                continue
            cause = self.gap_cause(number)
            if cause is not None:
                self._report.orders_not_covered += 1
                self._report.splits_not_covered += mark.splits_total
                self._report.leave_out(cause, max(1, mark.splits_total))
                continue
            self._report.orders_differing += 1
            self._report.differ(
                Kind.UNRECORDED_ORDER,
                mark.order_id,
                f"acceptance number {number}",
                recorded="none",
                stored=f"{mark.splits_total} splits, {mark.last_sequence} events",
            )


class NumberSet:
    """A set of numbers from 1 upward, one bit each."""

    def __init__(self) -> None:
        self._bits = bytearray()

    def add(self, number: int) -> None:
        """Add a number."""
        index, bit = divmod(number, 8)
        if index >= len(self._bits):
            self._bits.extend(bytes(index + 1 - len(self._bits) + len(self._bits) // 2))
        self._bits[index] |= 1 << bit

    def __contains__(self, number: int) -> bool:
        """Tell whether the number was added."""
        index, bit = divmod(number, 8)
        return index < len(self._bits) and bool(self._bits[index] & (1 << bit))
