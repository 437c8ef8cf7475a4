"""The state of each part of a running service, for the probes, the metrics and the API.

Each part builds its state on request from values that it holds anyway, so the state needs no
upkeep. Counts start with the process and never decrease. Names that end in ``_ns`` are instants of
the service's monotonic clock, in nanoseconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from app.domain.order import OrderStatus, Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """How far a connection is behind the venue.

    Attributes:
        seconds: our clock at the read minus the venue's clock at the event. It includes the
            difference between the two clocks, so it may be negative.
        excess_seconds: ``seconds`` minus the smallest lag of the last minutes. The difference
            between the clocks cancels out.
    """

    seconds: float
    excess_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionState:
    """The state of one connection to the venue.

    Attributes:
        status: one of the values of ``FeedState.status``.
        since: when the connection entered this status.
        streams: how many streams the connection serves.
        cause: the current trouble, None without any: no connection, a refused request, or a
            symbol without a seed.
        lag: None while it is unknown.
    """

    status: str
    since: datetime
    streams: int
    cause: str | None
    lag: Lag | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedState:
    """The state of all connections to the venue; the worst connection decides.

    Attributes:
        status: ``idle``, ``connecting``, ``connected`` or ``down``.
        cause: the trouble of the first connection that has one, None without any.
        since: when the feed entered this status.
        symbols: how many symbols have a listener.
        counters: connections, frames and dropped frames by name. ``lost_<kind>`` counts lost
            connections, ``failed_<kind>`` failed attempts, ``rotations`` planned replacements.
        connections: the state of each connection.
    """

    status: str
    cause: str | None
    since: datetime
    symbols: int
    counters: dict[str, int]
    connections: tuple[ConnectionState, ...] = ()

    @property
    def lag(self) -> Lag | None:
        """The largest lag of all connections, None while every lag is unknown."""
        known = (one.lag for one in self.connections if one.lag is not None)
        return max(known, key=lambda lag: lag.excess_seconds, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesState:
    """The state of the venue's trading rules.

    Attributes:
        source: where the current rules come from: ``venue``, ``stored`` or ``none``.
        loaded_at: when the rules were fetched from the venue, None if they never were.
        symbols: how many symbols have rules.
        cause: the last failure to refresh or to save the rules, None after a refresh succeeds.
        refreshes: how many refreshes succeeded.
        failures: how many refreshes failed.
    """

    source: str
    loaded_at: datetime | None
    symbols: int
    cause: str | None
    refreshes: int
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalState:
    """The state of the single writer.

    Attributes:
        is_writable: whether the last write succeeded.
        waiting: entries that are not durable yet, including the entries being written now.
        commits: transactions that succeeded.
        failures: transactions that failed and were retried.
        events: order events on disk.
        refused_parts: parts that a constraint of the database refused. Each one is our mistake.
    """

    is_writable: bool
    waiting: int
    commits: int
    failures: int
    events: int
    refused_parts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QuoteCounts:
    """Counts of the quotes that reached the matchers.

    Attributes:
        applied: quotes applied.
        refused: quotes at or below the gate, and stale seeds.
        levels_dropped: remembered levels that were dropped because a ledger was full.
        gate_resets: how often the venue restarted its update ids.
    """

    applied: int = 0
    refused: int = 0
    levels_dropped: int = 0
    gate_resets: int = 0

    def plus(self, other: "QuoteCounts") -> "QuoteCounts":
        """Return the sums of both."""
        return QuoteCounts(
            applied=self.applied + other.applied,
            refused=self.refused + other.refused,
            levels_dropped=self.levels_dropped + other.levels_dropped,
            gate_resets=self.gate_resets + other.gate_resets,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskState:
    """The state of the symbols and their orders.

    Attributes:
        symbols: symbols being served, including lingering ones.
        symbols_live: symbols with a current quote.
        symbols_interrupted: symbols without a quote for so long that the log reported them.
        newest_quote_ns: when the newest current quote was received, None without a quote.
        oldest_quote_ns: when the oldest current quote was received, None without a quote.
        open_orders: durable orders without a terminal status.
        accepted: orders whose acceptance became durable.
        splits: splits that became durable.
        ended: orders whose end became durable, by status and reason.
        quotes: the counts of quotes.
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
class ClockState:
    """The state of the service's clock.

    Attributes:
        steps: how often the machine's date stepped.
        offset_seconds: the machine's date minus the service's time at the last step; the service
            does not follow steps.
    """

    steps: int
    offset_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingState:
    """The state of the recording.

    Attributes:
        is_recording: whether the recorder writes now.
        cause: why the recorder does not write, None while it does.
        lines: lines written.
        bytes: bytes written.
        files: files written.
        files_deleted: old files deleted to make room.
        failures: how often the disk refused a write.
    """

    is_recording: bool
    cause: str | None
    lines: int
    bytes: int
    files: int
    files_deleted: int
    failures: int
