"""The service's state in the text format of Prometheus.

The figures are read from the states of the parts at each scrape, so the hot path counts nothing
for them. No registry of the library is used.

No label names a symbol. Clients choose the symbols, thousands of them, and each would be a
permanent time series; ``/symbols/{symbol}`` shows one. Labels are statuses, causes and reasons,
each from a fixed list in the code.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final, get_args

from prometheus_client import ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from app.api.service.feed_models import DROPPED, FAILED, LOST, FeedStatus, split_counters
from app.api.service.readiness import RulesSource
from app.api.service.service_state import Instant, ServiceState
from app.domain.order import OrderStatus, Reason

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4

ENDS: Final = (
    (OrderStatus.FILLED, None),
    (OrderStatus.CANCELED, Reason.CANCELED_BY_CLIENT),
    *((OrderStatus.EXPIRED, one) for one in Reason if one is not Reason.CANCELED_BY_CLIENT),
)
"""The ends of an order. Each is exported from the start: a counter that appears with its first
count has no rate for it."""

HELP: Final = {
    "build_info": "The version that runs.",
    "ready": "Whether orders can be accepted durably.",
    "recovered": "Whether the orders open at the last stop were read.",
    "feed_status": "1 for how the connection to the venue is; of several, the worst.",
    "feed_status_seconds": "How long the connection to the venue has been as it is.",
    "feed_symbols": "Symbols that are subscribed.",
    "feed_connections": "Connections to the venue, by how they are.",
    "feed_connected_seconds": "How long the oldest open connection has been so; none while none is "
    "open.",
    "feed_lag_seconds": "Our time at which a frame was read less the venue's at which it came "
    "about, so with the difference of the clocks; none while the venue tells no time.",
    "feed_lag_excess_seconds": "Lag above the smallest lag of the last five minutes, independent "
    "of the clocks.",
    "feed_connections_lost": "Connections to the venue that were lost, by cause.",
    "feed_attempts_failed": "Attempts to connect to the venue that failed, by cause.",
    "feed_frames_dropped": "Frames that were dropped, by reason.",
    "feed_connections_opened": "Connections to the venue that were opened.",
    "feed_reconnects": "Connections that were opened in place of an earlier one.",
    "feed_connection_failures": "Attempts to connect that failed.",
    "feed_rotations": "Connections that were replaced as planned, before their end.",
    "feed_control_messages": "SUBSCRIBE and UNSUBSCRIBE messages sent.",
    "feed_control_refusals": "Control messages that the venue refused.",
    "feed_frames": "Frames received, of any kind.",
    "feed_quotes": "Frames that were a sound quote of a subscribed symbol.",
    "feed_quotes_conflated": "Quotes skipped while we were behind, since a newer one of the symbol "
    "was there.",
    "feed_times_behind": "Times that we fell behind and began to skip quotes.",
    "feed_venue_times": "Frames that told the venue's time, from which the lag is.",
    "feed_seeds": "Depth snapshots received for symbols without a quote.",
    "feed_seeds_stale": "Depth snapshots that were older than what was known.",
    "feed_seeds_failed": "Depth snapshots that the venue did not give.",
    "feed_rotation_duplicates": "Frames that both connections of a rotation brought.",
    "feed_rotation_superseded": "Frames of a rotation that newer ones made void.",
    "feed_shutdown_notices": "Shutdowns that the venue announced.",
    "feed_listener_failures": "Mistakes of ours on the way of a quote.",
    "symbols": "Symbols that are followed: they have open orders or had some just now.",
    "symbols_live": "Symbols that have a current quote, so that their orders fill.",
    "symbols_interrupted": "Symbols that have had no current quote for half a minute.",
    "newest_quote_age_seconds": "Age of the newest current quote; none while no symbol is live.",
    "oldest_quote_age_seconds": "Age of the oldest current quote; none while no symbol is live.",
    "quotes_applied": "Quotes that met the orders of a symbol.",
    "quotes_refused": "Quotes at or below the gate, not applied.",
    "gate_resets": "Times that the venue restarted the update ids of a symbol.",
    "ledger_levels_dropped": "Remembered price levels for which there was no room.",
    "rules_source": "1 for where the trading rules come from.",
    "rules_age_seconds": "How long ago the venue gave the trading rules.",
    "rules_symbols": "Symbols that the trading rules cover.",
    "rules_refreshes": "Times that the venue gave the trading rules.",
    "rules_refresh_failures": "Times that the venue did not give the trading rules.",
    "journal_writable": "Whether the database takes writes.",
    "journal_waiting": "Entries that are not on disk yet.",
    "journal_commits": "Transactions that passed.",
    "journal_commit_failures": "Transactions that failed and were repeated.",
    "journal_events": "Events of orders put on disk.",
    "journal_refused_parts": "Parts that the database refused, our mistake.",
    "clock_steps": "Times that the machine's date stepped; the service does not follow.",
    "clock_offset_seconds": "The machine's date minus the service's time, at the last step.",
    "recording_active": "Whether the recording goes on.",
    "recording_lines": "Lines recorded.",
    "recording_bytes": "Bytes recorded, compressed.",
    "recording_files": "Files of the recording begun.",
    "recording_files_deleted": "Files deleted to make room.",
    "recording_failures": "Times that the disk refused the recording.",
    "orders_open": "Orders on disk that have not ended.",
    "orders_under_way": "Orders that wait for the disk.",
    "orders_accepted": "Orders put on disk.",
    "order_splits": "Splits put on disk.",
    "orders_ended": "Orders that ended, by status and reason.",
    "event_subscriptions": "Subscriptions to /ws/orders that are open.",
}
"""Every metric with its help. A new counter of the feed is exported without an entry here."""

_PREFIX: Final = "papertape"
_NS_PER_SECOND: Final = 1e9

_Labeled = Mapping[str, tuple[str, Mapping[str, int]]]
"""Metrics by name: the label, and the figure of each of its values."""


def write_metrics(state: ServiceState, *, version: str) -> bytes:
    """Return every figure of a state, with memory and files of the process."""
    return generate_latest(_StateCollector(state, version))


class _StateCollector(Collector):
    def __init__(self, state: ServiceState, version: str) -> None:
        self._state = state
        self._version = version

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        state = self._state
        for name, value in _gauges(state).items():
            if value is not None:
                yield GaugeMetricFamily(f"{_PREFIX}_{name}", HELP[name], value)
        for name, value in _counters(state).items():
            documentation = HELP.get(name, "Counted by the feed.")
            yield CounterMetricFamily(f"{_PREFIX}_{name}", documentation, value)
        yield from _labeled(GaugeMetricFamily, _gauges_by_label(state, self._version))
        yield from _labeled(CounterMetricFamily, _counters_by_cause(state.feed.counters))
        yield _orders_ended(state.desk.ended)
        yield from ProcessCollector(registry=None).collect()


def _gauges(state: ServiceState) -> dict[str, float | None]:
    """Return the gauges; ``None`` where there is nothing to measure, so no metric."""
    instant, feed, desk, rules = state.instant, state.feed, state.desk, state.rules
    lag, recording = feed.lag, state.recording
    connected = (one.since for one in feed.connections if one.status == "connected")
    return {
        "ready": not state.missing,
        "recovered": state.is_recovered,
        "feed_status_seconds": _seconds_since(feed.since, instant),
        "feed_symbols": feed.symbols,
        "feed_connected_seconds": _seconds_since(min(connected, default=None), instant),
        "feed_lag_seconds": None if lag is None else lag.seconds,
        "feed_lag_excess_seconds": None if lag is None else lag.excess_seconds,
        "symbols": desk.symbols,
        "symbols_live": desk.symbols_live,
        "symbols_interrupted": desk.symbols_interrupted,
        "newest_quote_age_seconds": _age_seconds(instant, desk.newest_quote_ns),
        "oldest_quote_age_seconds": _age_seconds(instant, desk.oldest_quote_ns),
        "rules_age_seconds": _seconds_since(rules.loaded_at, instant),
        "rules_symbols": rules.symbols,
        "journal_writable": state.journal.is_writable,
        "journal_waiting": state.journal.waiting,
        "recording_active": None if recording is None else recording.is_recording,
        "clock_offset_seconds": state.clock.offset_seconds,
        "orders_open": desk.open_orders,
        "orders_under_way": state.orders_under_way,
        "event_subscriptions": state.subscriptions,
    }


def _seconds_since(at: datetime | None, instant: Instant) -> float | None:
    return None if at is None else instant.age(at) / timedelta(seconds=1)


def _age_seconds(instant: Instant, received_ns: int | None) -> float | None:
    return None if received_ns is None else instant.age_ns(received_ns) / _NS_PER_SECOND


def _counters(state: ServiceState) -> dict[str, int]:
    journal, quotes, recording = state.journal, state.desk.quotes, state.recording
    counters = {
        "quotes_applied": quotes.applied,
        "quotes_refused": quotes.refused,
        "gate_resets": quotes.gate_resets,
        "ledger_levels_dropped": quotes.levels_dropped,
        "rules_refreshes": state.rules.refreshes,
        "rules_refresh_failures": state.rules.failures,
        "journal_commits": journal.commits,
        "journal_commit_failures": journal.failures,
        "journal_events": journal.events,
        "journal_refused_parts": journal.refused_parts,
        "clock_steps": state.clock.steps,
        "orders_accepted": state.desk.accepted,
        "order_splits": state.desk.splits,
    }
    if recording is not None:
        counters |= {
            "recording_lines": recording.lines,
            "recording_bytes": recording.bytes,
            "recording_files": recording.files,
            "recording_files_deleted": recording.files_deleted,
            "recording_failures": recording.failures,
        }
    for name, count in sorted(state.feed.counters.items()):
        if not name.startswith((LOST, FAILED, DROPPED)):
            # The metric feed_connections counts those that are open now.
            shown = "connections_opened" if name == "connections" else name
            counters[f"feed_{shown}"] = count
    return counters


def _gauges_by_label(state: ServiceState, version: str) -> _Labeled:
    connections = Counter(connection.status for connection in state.feed.connections)
    statuses, sources = get_args(FeedStatus), get_args(RulesSource)
    return {
        "build_info": ("version", {version: 1}),
        "feed_status": ("status", {one: int(one == state.feed.status) for one in statuses}),
        "feed_connections": ("status", {one: connections[one] for one in statuses}),
        "rules_source": ("source", {one: int(one == state.rules.source) for one in sources}),
    }


def _counters_by_cause(counters: Mapping[str, int]) -> _Labeled:
    return {
        "feed_connections_lost": ("cause", split_counters(counters, LOST)),
        "feed_attempts_failed": ("cause", split_counters(counters, FAILED)),
        "feed_frames_dropped": ("reason", split_counters(counters, DROPPED)),
    }


def _labeled(
    kind: type[GaugeMetricFamily | CounterMetricFamily], figures: _Labeled
) -> Iterator[Metric]:
    for name, (label, values) in figures.items():
        family = kind(f"{_PREFIX}_{name}", HELP[name], labels=[label])
        for value, number in values.items():
            family.add_metric([value], number)
        yield family


def _orders_ended(ended: Mapping[tuple[OrderStatus, Reason | None], int]) -> Metric:
    name = "orders_ended"
    family = CounterMetricFamily(f"{_PREFIX}_{name}", HELP[name], labels=["status", "reason"])
    for end in dict.fromkeys((*ENDS, *ended)):
        status, reason = end
        labels = [status.value, "" if reason is None else reason.value]
        family.add_metric(labels, ended.get(end, 0))
    return family
