"""How the parts of a running service are: values for the probes, the metrics and whoever asks.

Each part makes its own when it is asked, from what it holds anyway; nothing is kept up to date for
it. Counts begin with the process and never go down. Instants are those of the service's monotonic
clock, in nanoseconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from app.domain.order import OrderStatus, Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """How long ago by the venue's clock what is read now came about, in seconds of our clock.

    It holds the difference of the clocks, so it may be negative. ``excess_seconds`` is what goes
    beyond the smallest lag of the last minutes, which takes that out.
    """

    seconds: float
    excess_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesState:
    """Where the rules come from, ``venue``, ``stored`` or ``none``, and what failed last.

    ``refreshes`` counts what came from the venue, ``failures`` what did not.
    """

    source: str
    loaded_at: datetime | None
    symbols: int
    cause: str | None
    refreshes: int
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalState:
    """How the single writer is.

    ``waiting`` counts the entries that are not durable yet, those being written included;
    ``commits`` the transactions that passed, ``failures`` those that did not and were tried again,
    ``events`` the order events that are on disk, ``refused_parts`` what a constraint refused, which
    is our mistake.
    """

    is_writable: bool
    waiting: int
    commits: int
    failures: int
    events: int
    refused_parts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteCounts:
    """What became of the quotes that reached the matchers.

    ``refused`` ones were at or below the gate or stale seeds; ``levels_dropped`` are remembered
    levels for which there was no room; ``gate_resets`` are the times that the venue counted anew.
    """

    applied: int = 0
    refused: int = 0
    levels_dropped: int = 0
    gate_resets: int = 0

    def plus(self, other: "QuoteCounts") -> "QuoteCounts":
        """Return both together."""
        return QuoteCounts(
            applied=self.applied + other.applied,
            refused=self.refused + other.refused,
            levels_dropped=self.levels_dropped + other.levels_dropped,
            gate_resets=self.gate_resets + other.gate_resets,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskState:
    """How the symbols and their orders are.

    ``symbols`` are being served, lingering ones included; ``symbols_live`` of them have a current
    quote, the newest of which was received at ``newest_quote_ns`` and the oldest at
    ``oldest_quote_ns``, None while there is none; ``symbols_interrupted`` of them have had none for
    long, and the log has said so. ``open_orders`` are durable and not closed.
    ``accepted``, ``splits`` and ``ended``, by status and reason, count what became durable.
    """

    symbols: int
    symbols_live: int
    symbols_interrupted: int
    newest_quote_ns: int | None
    oldest_quote_ns: int | None
    open_orders: int
    accepted: int
    splits: int
    ended: Mapping[tuple[OrderStatus, Reason | None], int]
    quotes: QuoteCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingState:
    """How the recording is: ``cause`` tells why while nothing is recorded.

    ``lines`` and ``bytes`` were written to ``files``; ``files_deleted`` made room for newer ones;
    ``failures`` counts the times that the disk refused.
    """

    is_recording: bool
    cause: str | None
    lines: int
    bytes: int
    files: int
    files_deleted: int
    failures: int
