"""Tests of ``MarketReport``."""

import asyncio
from dataclasses import replace

import pytest

from app.market import report as market_report
from app.market.report import MarketReport
from tests.support.in_memory import MemoryPorts, quote
from tests.support.waiting import eventually


@pytest.fixture
def ports() -> MemoryPorts:
    """Return a feed, a desk and rules that the test controls."""
    return MemoryPorts()


def report_on(ports: MemoryPorts) -> MarketReport:
    """Return a report of these ports."""
    return MarketReport(feed=ports.feed, rules=ports.rules, desk=ports.desk, clock=ports.clock)


def count(ports: MemoryPorts, **counters: int) -> None:
    """Increase a counter of the feed."""
    ports.feed.feed_state = replace(ports.feed.feed_state, counters=counters)


async def test_states_ages_and_what_was_counted_are_reported(ports: MemoryPorts) -> None:
    """A report holds states, symbols, ages and the counted drops."""
    count(ports, frames=12, dropped_not_json=2, lost_keepalive=1, rotations=0)
    ports.desk.show(quote(7))

    fields = report_on(ports).next()

    assert fields is not None
    assert (fields["status"], fields["cause"]) == ("connected", None)
    assert (fields["symbols"], fields["symbols_live"]) == (1, 1)
    assert fields["counted"] == {"frames": 12, "dropped_not_json": 2, "lost_keepalive": 1}
    assert (fields["rules_source"], fields["rules_age_seconds"]) == ("venue", 0)
    for name in ("newest_quote_age_seconds", "oldest_quote_age_seconds"):
        age = fields[name]
        assert isinstance(age, float)
        assert 0 <= age < 60


async def test_a_report_counts_from_the_last_one_on(ports: MemoryPorts) -> None:
    """Each report counts from the previous one."""
    report = report_on(ports)
    count(ports, frames=12, dropped_not_json=2)
    report.next()
    count(ports, frames=15, dropped_not_json=2, dropped_crossed=1)

    fields = report.next()

    assert fields is not None
    assert fields["counted"] == {"frames": 3, "dropped_crossed": 1}


async def test_an_idle_service_says_nothing(ports: MemoryPorts) -> None:
    """An idle service logs nothing after its last counts."""
    report = report_on(ports)
    ports.feed.feed_state = replace(ports.feed.feed_state, symbols=0)

    assert report.next() is not None
    assert report.next() is None


async def test_missing_quotes_and_rules_have_no_age(ports: MemoryPorts) -> None:
    """Missing quotes and rules have no age."""
    ports.rules.by_symbol = None

    fields = report_on(ports).next()

    assert fields is not None
    assert (fields["newest_quote_age_seconds"], fields["rules_age_seconds"]) == (None, None)


async def test_it_reports_again_and_again(
    ports: MemoryPorts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reports repeat until the service stops."""
    monkeypatch.setattr(market_report, "REPORT_SECONDS", 0.001)
    report = report_on(ports)
    running = asyncio.create_task(report.run())
    count(ports, frames=1)
    await eventually(lambda: report._reported == {"frames": 1})
    count(ports, frames=2)
    await eventually(lambda: report._reported == {"frames": 2})
    running.cancel()
    await asyncio.wait({running})

    assert running.cancelled()
