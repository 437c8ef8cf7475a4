"""The service's state in the text format of Prometheus.

The figures are read from the states of the parts at each scrape, so the hot path counts nothing
for them. The registry is our own; the library's global one is not used.

No label names a symbol. Clients choose the symbols, thousands of them, and each would be a
permanent time series; ``/symbols/{symbol}`` shows one. Labels are statuses, causes and reasons,
each from a fixed list in the code.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from app.api.service.feed_models import DROPPED, FAILED, LOST, split_counters
from app.api.service.service_state import ServiceState
from app.domain.order import OrderStatus, Reason
from app.ports import DeskState, JournalState, RecordingState

CONNECTED: Final = "connected"
FEED_STATUSES: Final = ("idle", "connecting", CONNECTED, "down")
RULES_SOURCES: Final = ("venue", "stored", "none")
ENDS: Final = (
    (OrderStatus.FILLED, None),
    (OrderStatus.CANCELED, Reason.CANCELED_BY_CLIENT),
    *((OrderStatus.EXPIRED, one) for one in Reason if one is not Reason.CANCELED_BY_CLIENT),
)
"""The ends of an order. Each is exported from the start: a counter that appears with its first
count has no rate for it."""

_PREFIX: Final = "papertape"
_NS_PER_SECOND: Final = 1e9

_FEED_COUNTERS: Final = {
    "connections": ("connections_opened", "Connections to the venue that were opened."),
    "reconnects": ("reconnects", "Connections that were opened in place of an earlier one."),
    "connection_failures": ("connection_failures", "Attempts to connect that failed."),
    "rotations": ("rotations", "Connections that were replaced as planned, before their end."),
    "control_messages": ("control_messages", "SUBSCRIBE and UNSUBSCRIBE messages sent."),
    "control_refusals": ("control_refusals", "Control messages that the venue refused."),
    "frames": ("frames", "Frames received, of any kind."),
    "quotes": ("quotes", "Frames that were a sound quote of a subscribed symbol."),
    "quotes_conflated": (
        "quotes_conflated",
        "Quotes skipped while we were behind, since a newer one of the symbol was there.",
    ),
    "times_behind": ("times_behind", "Times that we fell behind and began to skip quotes."),
    "venue_times": ("venue_times", "Frames that told the venue's time, from which the lag is."),
    "seeds": ("seeds", "Depth snapshots received for symbols without a quote."),
    "seeds_stale": ("seeds_stale", "Depth snapshots that were older than what was known."),
    "seeds_failed": ("seeds_failed", "Depth snapshots that the venue did not give."),
    "rotation_duplicates": (
        "rotation_duplicates",
        "Frames that both connections of a rotation brought.",
    ),
    "rotation_superseded": (
        "rotation_superseded",
        "Frames of a rotation that newer ones made void.",
    ),
    "shutdown_notices": ("shutdown_notices", "Shutdowns that the venue announced."),
    "listener_failures": ("listener_failures", "Mistakes of ours on the way of a quote."),
}
"""The feed's counters: name and help. Any other counter is exported under its own name."""


class Exposition:
    """Writes the state that ``read`` returns, of a service of ``version``."""

    content_type: Final = CONTENT_TYPE_PLAIN_0_0_4

    def __init__(self, read: Callable[[], ServiceState], *, version: str) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_StateCollector(read, version))
        ProcessCollector(registry=self._registry)

    def text(self) -> bytes:
        """Return every figure of this moment, with memory and files of the process."""
        return generate_latest(self._registry)


class _StateCollector(Collector):
    """Reads the state when it is collected, and only then."""

    def __init__(self, read: Callable[[], ServiceState], version: str) -> None:
        self._read = read
        self._version = version

    def describe(self) -> Iterable[Metric]:
        """Name nothing, so that registering reads nothing."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        state = self._read()
        yield _states("build_info", "The version that runs.", "version", {self._version: 1})
        yield _gauge("ready", "Whether orders can be accepted durably.", not state.missing)
        yield _gauge(
            "recovered", "Whether the orders open at the last stop were read.", state.is_recovered
        )
        yield from _feed(state)
        yield from _feed_counters(state.feed.counters)
        yield from _symbols(state)
        yield from _rules(state)
        yield from _journal(state.journal)
        if state.recording is not None:
            yield from _recording(state.recording)
        yield from _orders(state.desk, state.orders_under_way)
        yield _gauge(
            "event_subscriptions",
            "Subscriptions to /ws/orders that are open.",
            state.subscriptions,
        )


def _feed(state: ServiceState) -> Iterator[Metric]:
    feed = state.feed
    yield _states(
        "feed_status",
        "1 for how the connection to the venue is; of several, the worst.",
        "status",
        {status: int(status == feed.status) for status in FEED_STATUSES},
    )
    yield _gauge(
        "feed_status_seconds",
        "How long the connection to the venue has been as it is.",
        state.instant.age(feed.since) / timedelta(seconds=1),
    )
    yield _gauge("feed_symbols", "Symbols that are subscribed.", feed.symbols)
    statuses = Counter(connection.status for connection in feed.connections)
    yield _states(
        "feed_connections",
        "Connections to the venue, by how they are.",
        "status",
        {status: statuses[status] for status in FEED_STATUSES},
    )
    connected = [one.since for one in feed.connections if one.status == CONNECTED]
    if connected:
        yield _gauge(
            "feed_connected_seconds",
            "How long the oldest open connection has been so; none while none is open.",
            state.instant.age(min(connected)) / timedelta(seconds=1),
        )
    if feed.lag is not None:
        yield _gauge(
            "feed_lag_seconds",
            "Our time at which a frame was read less the venue's at which it came about, so with "
            "the difference of the clocks; none while the venue tells no time.",
            feed.lag.seconds,
        )
        yield _gauge(
            "feed_lag_excess_seconds",
            "Lag above the smallest lag of the last five minutes, independent of the clocks.",
            feed.lag.excess_seconds,
        )


def _feed_counters(counters: Mapping[str, int]) -> Iterator[Metric]:
    yield _counters(
        "feed_connections_lost",
        "Connections to the venue that were lost, by cause.",
        "cause",
        split_counters(counters, LOST),
    )
    yield _counters(
        "feed_attempts_failed",
        "Attempts to connect to the venue that failed, by cause.",
        "cause",
        split_counters(counters, FAILED),
    )
    yield _counters(
        "feed_frames_dropped",
        "Frames that were dropped, by reason.",
        "reason",
        split_counters(counters, DROPPED),
    )
    for name, count in sorted(counters.items()):
        if not name.startswith((LOST, FAILED, DROPPED)):
            shown, documentation = _FEED_COUNTERS.get(name, (name, "Counted by the feed."))
            yield _counter(f"feed_{shown}", documentation, count)


def _symbols(state: ServiceState) -> Iterator[Metric]:
    desk, instant = state.desk, state.instant
    yield _gauge(
        "symbols",
        "Symbols that are followed: they have open orders or had some just now.",
        desk.symbols,
    )
    yield _gauge(
        "symbols_live",
        "Symbols that have a current quote, so that their orders fill.",
        desk.symbols_live,
    )
    yield _gauge(
        "symbols_interrupted",
        "Symbols that have had no current quote for half a minute.",
        desk.symbols_interrupted,
    )
    for which, instant_ns in (("newest", desk.newest_quote_ns), ("oldest", desk.oldest_quote_ns)):
        if instant_ns is not None:
            yield _gauge(
                f"{which}_quote_age_seconds",
                f"Age of the {which} current quote; none while no symbol is live.",
                instant.age_ns(instant_ns) / _NS_PER_SECOND,
            )
    quotes = desk.quotes
    yield _counter("quotes_applied", "Quotes that met the orders of a symbol.", quotes.applied)
    yield _counter("quotes_refused", "Quotes at or below the gate, not applied.", quotes.refused)
    yield _counter(
        "gate_resets",
        "Times that the venue restarted the update ids of a symbol.",
        quotes.gate_resets,
    )
    yield _counter(
        "ledger_levels_dropped",
        "Remembered price levels for which there was no room.",
        quotes.levels_dropped,
    )


def _rules(state: ServiceState) -> Iterator[Metric]:
    rules = state.rules
    yield _states(
        "rules_source",
        "1 for where the trading rules come from.",
        "source",
        {source: int(source == rules.source) for source in RULES_SOURCES},
    )
    if rules.loaded_at is not None:
        age = state.instant.age(rules.loaded_at)
        yield _gauge(
            "rules_age_seconds",
            "How long ago the venue gave the trading rules.",
            age / timedelta(seconds=1),
        )
    yield _gauge("rules_symbols", "Symbols that the trading rules cover.", rules.symbols)
    yield _counter(
        "rules_refreshes", "Times that the venue gave the trading rules.", rules.refreshes
    )
    yield _counter(
        "rules_refresh_failures",
        "Times that the venue did not give the trading rules.",
        rules.failures,
    )


def _journal(journal: JournalState) -> Iterator[Metric]:
    yield _gauge("journal_writable", "Whether the database takes writes.", journal.is_writable)
    yield _gauge("journal_waiting", "Entries that are not on disk yet.", journal.waiting)
    yield _counter("journal_commits", "Transactions that passed.", journal.commits)
    yield _counter(
        "journal_commit_failures", "Transactions that failed and were repeated.", journal.failures
    )
    yield _counter("journal_events", "Events of orders put on disk.", journal.events)
    yield _counter(
        "journal_refused_parts",
        "Parts that the database refused, our mistake.",
        journal.refused_parts,
    )


def _recording(recording: RecordingState) -> Iterator[Metric]:
    yield _gauge("recording_active", "Whether the recording goes on.", recording.is_recording)
    yield _counter("recording_lines", "Lines recorded.", recording.lines)
    yield _counter("recording_bytes", "Bytes recorded, compressed.", recording.bytes)
    yield _counter("recording_files", "Files of the recording begun.", recording.files)
    yield _counter(
        "recording_files_deleted", "Files deleted to make room.", recording.files_deleted
    )
    yield _counter(
        "recording_failures", "Times that the disk refused the recording.", recording.failures
    )


def _orders(desk: DeskState, under_way: int) -> Iterator[Metric]:
    yield _gauge("orders_open", "Orders on disk that have not ended.", desk.open_orders)
    yield _gauge("orders_under_way", "Orders that wait for the disk.", under_way)
    yield _counter("orders_accepted", "Orders put on disk.", desk.accepted)
    yield _counter("order_splits", "Splits put on disk.", desk.splits)
    ended = CounterMetricFamily(
        f"{_PREFIX}_orders_ended",
        "Orders that ended, by status and reason.",
        labels=["status", "reason"],
    )
    for end in dict.fromkeys((*ENDS, *desk.ended)):
        status, reason = end
        labels = [status.value, "" if reason is None else reason.value]
        ended.add_metric(labels, desk.ended.get(end, 0))
    yield ended


def _gauge(name: str, documentation: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{_PREFIX}_{name}", documentation, value=value)


def _states(name: str, documentation: str, label: str, values: Mapping[str, int]) -> Metric:
    family = GaugeMetricFamily(f"{_PREFIX}_{name}", documentation, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family


def _counter(name: str, documentation: str, count: int) -> Metric:
    return CounterMetricFamily(f"{_PREFIX}_{name}", documentation, value=count)


def _counters(name: str, documentation: str, label: str, counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(f"{_PREFIX}_{name}", documentation, labels=[label])
    for value, count in counts.items():
        family.add_metric([value], count)
    return family
