"""The service state as Prometheus metrics."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from app.api.docs import examples
from app.api.service.prometheus_metrics import ENDS, HELP, write_metrics
from app.api.service.service_state import ServiceState
from app.domain.order import OrderStatus, Reason
from app.ports import ConnectionState, QuoteCounts, RecordingState
from tests.support.scrape import PREFIX, Figures, read_figures

STATE = examples.EXAMPLE_STATE
FEED = STATE.feed
RECORDING = RecordingState(
    is_recording=False,
    cause="No space left on device",
    lines=7,
    bytes=6,
    files=5,
    files_deleted=4,
    failures=3,
)
ROOT = Path(__file__).parents[4]


def text_of(state: ServiceState) -> str:
    """Return the text that a scrape gets of a state."""
    return write_metrics(state, version="0.1.0").decode()


def figures_of(state: ServiceState) -> Figures:
    """Return the metrics of a state."""
    return read_figures(text_of(state))


def test_the_feed_is_told_with_states_and_ages() -> None:
    """The current status has the value 1, and connections are counted by status."""
    down = ConnectionState(status="down", since=FEED.since, streams=3, cause="refused")
    younger = replace(FEED.connections[0], since=FEED.since + timedelta(minutes=40))
    feed = replace(FEED, status="down", symbols=7, connections=(*FEED.connections, younger, down))

    figures = figures_of(replace(STATE, feed=feed))

    assert {name: figures[f'feed_status{{status="{name}"}}'] for name in ("down", "connected")} == {
        "down": 1,
        "connected": 0,
    }
    assert figures['feed_connections{status="connected"}'] == 2
    assert figures['feed_connections{status="down"}'] == 1
    assert figures['feed_connections{status="idle"}'] == 0
    assert figures["feed_status_seconds"] == 41 * 60
    assert figures["feed_connected_seconds"] == 41 * 60
    assert figures["feed_symbols"] == 7


def test_the_feeds_counters_are_told_by_cause_and_new_ones_by_themselves() -> None:
    """A new counter of the feed is exported without a change here."""
    counters = {
        "connections": 4,
        "reconnects": 3,
        "rotations": 1,
        "frames": 10,
        "lost_keepalive": 2,
        "lost_to_the_moon": 1,
        "failed_dns": 5,
        "dropped_not_json": 6,
        "dropped_binary": 7,
        "confirmations": 8,
    }

    figures = figures_of(replace(STATE, feed=replace(FEED, counters=counters)))

    counted = {name: value for name, value in figures.items() if "feed_" in name}
    assert {name: value for name, value in counted.items() if "_total" in name} == {
        "feed_connections_opened_total": 4,
        "feed_reconnects_total": 3,
        "feed_rotations_total": 1,
        "feed_frames_total": 10,
        'feed_connections_lost_total{cause="keepalive"}': 2,
        'feed_connections_lost_total{cause="to_the_moon"}': 1,
        'feed_attempts_failed_total{cause="dns"}': 5,
        'feed_frames_dropped_total{reason="not_json"}': 6,
        'feed_frames_dropped_total{reason="binary"}': 7,
        "feed_confirmations_total": 8,
    }


def test_quotes_and_rules_are_told_with_their_age() -> None:
    """Ages are given in seconds, by the conventions of Prometheus."""
    desk = replace(
        STATE.desk,
        symbols=3,
        symbols_live=2,
        symbols_interrupted=1,
        newest_quote_ns=STATE.instant.now_ns - 250_000_000,
        oldest_quote_ns=STATE.instant.now_ns - 90_000_000_000,
        quotes=QuoteCounts(applied=5, refused=4, levels_dropped=3, gate_resets=2),
    )

    figures = figures_of(replace(STATE, desk=desk))

    assert (figures["symbols"], figures["symbols_live"]) == (3, 2)
    assert figures["symbols_interrupted"] == 1
    assert figures["newest_quote_age_seconds"] == 0.25
    assert figures["oldest_quote_age_seconds"] == 90
    assert figures["quotes_applied_total"] == 5
    assert figures["quotes_refused_total"] == 4
    assert figures["ledger_levels_dropped_total"] == 3
    assert figures["gate_resets_total"] == 2
    assert figures["rules_age_seconds"] == 42 * 60
    assert figures["rules_symbols"] == 1_483
    assert figures["rules_refreshes_total"] == 3
    assert figures["rules_refresh_failures_total"] == 1
    assert figures['rules_source{source="venue"}'] == 1
    assert figures['rules_source{source="stored"}'] == 0


def test_what_is_not_there_has_no_figure() -> None:
    """A missing value has no metric: zero would look healthy, and alerts can detect absence."""
    figures = figures_of(
        replace(
            STATE,
            desk=replace(STATE.desk, symbols_live=0, newest_quote_ns=None, oldest_quote_ns=None),
            rules=replace(STATE.rules, source="none", loaded_at=None),
            feed=replace(FEED, status="idle", connections=()),
        )
    )

    assert not [name for name in figures if "quote_age" in name or "rules_age" in name]
    assert "feed_connected_seconds" not in figures
    assert figures['rules_source{source="none"}'] == 1
    assert figures["ready"] == 0


def test_a_recording_is_told_where_one_is_wanted() -> None:
    """Recording metrics exist only if recording is configured."""
    figures = figures_of(replace(STATE, recording=RECORDING))

    assert figures["recording_active"] == 0
    assert [
        figures[f"recording_{name}_total"]
        for name in ("lines", "bytes", "files", "files_deleted", "failures")
    ] == [7, 6, 5, 4, 3]
    assert not [name for name in figures_of(STATE) if name.startswith("recording")]


def test_journal_orders_and_listeners_are_told() -> None:
    """The journal, orders and subscriptions have metrics."""
    journal = replace(
        STATE.journal,
        is_writable=False,
        waiting=3,
        commits=11,
        failures=2,
        events=12,
        refused_parts=1,
    )
    figures = figures_of(replace(STATE, journal=journal, orders_under_way=6, subscriptions=9))

    assert (figures["journal_writable"], figures["journal_waiting"]) == (0, 3)
    assert figures["journal_commits_total"] == 11
    assert figures["journal_commit_failures_total"] == 2
    assert figures["journal_events_total"] == 12
    assert figures["journal_refused_parts_total"] == 1
    assert (figures["orders_open"], figures["orders_under_way"]) == (1, 6)
    assert (figures["orders_accepted_total"], figures["order_splits_total"]) == (3, 4)
    assert figures['orders_ended_total{reason="",status="FILLED"}'] == 1
    assert figures['orders_ended_total{reason="TIMEOUT",status="EXPIRED"}'] == 1
    assert figures["event_subscriptions"] == 9
    assert figures['build_info{version="0.1.0"}'] == 1


def test_every_end_of_an_order_is_told_from_the_start() -> None:
    """Every end of an order is counted from zero, because a rate needs a first value."""
    figures = figures_of(replace(STATE, desk=replace(STATE.desk, ended={})))

    ended = [name for name in figures if name.startswith("orders_ended_total")]
    assert len(ended) == len(ENDS) == 1 + len(Reason)
    assert {status for status, _ in ENDS} == {one for one in OrderStatus if one.is_terminal}


@pytest.mark.parametrize("symbols", [1, 1_000])
def test_no_figure_is_of_one_symbol(symbols: int) -> None:
    """The number of time series does not depend on the number of symbols."""
    desk = replace(STATE.desk, symbols=symbols, symbols_live=symbols)

    assert figures_of(replace(STATE, desk=desk)).keys() == figures_of(STATE).keys()


def test_every_metric_is_documented() -> None:
    """The table in the docs names every metric, and no other."""
    page = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    table = page.partition("| subject | metrics |")[2].partition("\n\n")[0]
    exported = text_string_to_metric_families(text_of(replace(STATE, recording=RECORDING)))
    names = {family.name.removeprefix(PREFIX) for family in exported if PREFIX in family.name}

    assert sorted(re.findall("`([a-z_]+)`", table)) == sorted(HELP)
    assert names <= set(HELP)


def test_the_process_is_told_as_everywhere() -> None:
    """The process has the usual metrics, and the library's global registry none of ours."""
    text = text_of(STATE)

    assert "\nprocess_resident_memory_bytes " in text
    assert "\nprocess_open_fds " in text
    assert not [one for one in REGISTRY.collect() if one.name.startswith(PREFIX)]


def test_lag_is_told_while_it_is_known() -> None:
    """The lag and its excess are given in seconds and are absent while unknown."""
    unknown = tuple(replace(one, lag=None) for one in FEED.connections)

    known = figures_of(STATE)
    without = figures_of(replace(STATE, feed=replace(FEED, connections=unknown)))

    assert (known["feed_lag_seconds"], known["feed_lag_excess_seconds"]) == (0.045, 0.003)
    assert not [name for name in without if name.startswith("feed_lag")]
