"""What the log says of the market data once a minute."""

import asyncio
from dataclasses import replace

import pytest

from app.market import report as market_report
from app.market.report import MarketReport
from tests.support.in_memory import MemoryPorts, quote
from tests.support.waiting import eventually


@pytest.fixture
def ports() -> MemoryPorts:
    """Return a feed, a desk and rules in the test's hands."""
    return MemoryPorts()


def report_on(ports: MemoryPorts) -> MarketReport:
    """Return a report of them."""
    return MarketReport(feed=ports.feed, rules=ports.rules, desk=ports.desk, clock=ports.clock)


def count(ports: MemoryPorts, **counters: int) -> None:
    """Have the feed count."""
    ports.feed.feed_state = replace(ports.feed.feed_state, counters=counters)


async def test_states_ages_and_what_was_counted_are_reported(ports: MemoryPorts) -> None:
    """Connection, symbols, ages of quotes and rules, and the drops by reason."""
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
    """Each minute's drops stand in its own entry."""
    report = report_on(ports)
    count(ports, frames=12, dropped_not_json=2)
    report.next()
    count(ports, frames=15, dropped_not_json=2, dropped_crossed=1)

    fields = report.next()

    assert fields is not None
    assert fields["counted"] == {"frames": 3, "dropped_crossed": 1}


async def test_an_idle_service_says_nothing(ports: MemoryPorts) -> None:
    """Nobody reads a log that repeats that nothing happens; what came last is still told."""
    report = report_on(ports)
    ports.feed.feed_state = replace(ports.feed.feed_state, symbols=0)

    assert report.next() is not None
    assert report.next() is None


async def test_what_is_not_there_has_no_age(ports: MemoryPorts) -> None:
    """Neither quotes nor rules."""
    ports.rules.by_symbol = None

    fields = report_on(ports).next()

    assert fields is not None
    assert (fields["newest_quote_age_seconds"], fields["rules_age_seconds"]) == (None, None)


async def test_it_reports_again_and_again(
    ports: MemoryPorts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until the service stops."""
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
