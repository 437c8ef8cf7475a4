"""A service that cannot keep up skips replaced quotes and sells no lot twice."""

import random
from dataclasses import replace
from pathlib import Path

from app.cli.maintenance import verify_database
from tests.support.market import PATIENT
from tests.support.scrape import scrape
from tests.support.services import ServiceUnderTest, service_under_test

AT_ONCE = replace(PATIENT, behind_seconds=0)
BURSTS = 2
BURST = 6_000
DISPLAYED_MAX = 50


async def push_in_bursts(service: ServiceUnderTest) -> None:
    """Push one lot of changing size in bursts too large for a single read."""
    chance = random.Random(1)
    for _ in range(BURSTS):
        for number in range(BURST):
            bid, size = ("0.0024", str(number + 1)), str(chance.randint(1, DISPLAYED_MAX))
            service.market.push("LTCBTC", bid=bid, ask=("0.0025", size))
        newest = service.venue.faults.current_quote("LTCBTC")
        await service.until_quoted("LTCBTC", newest.update_id)


async def test_a_service_that_falls_behind_skips_quotes_and_sells_nothing_twice(
    tmp_path: Path,
) -> None:
    """Skipped quotes are counted, and the recording explains every stored split."""
    folder = tmp_path / "recordings"
    async with service_under_test(
        tmp_path, timing=AT_ONCE, limits={"record_dir": str(folder)}
    ) as service:
        first = service.market.push("LTCBTC", bid=("0.0024", "1"), ask=("0.0025", "1"))
        order_id = await service.place(symbol="LTCBTC", order_size="1000000", price="0.0025")
        await service.until_quoted("LTCBTC", first.update_id)
        await push_in_bursts(service)
        figures = await scrape(service.client)
        await service.client.delete(f"/order/{order_id}")

    assert figures["feed_quotes_conflated_total"] > 0
    assert figures["feed_times_behind_total"] > 0
    assert figures["feed_quotes_total"] + figures["feed_quotes_conflated_total"] >= BURSTS * BURST
    assert figures["feed_connections_opened_total"] == 1
    report = await verify_database(str(tmp_path / "service.db"), [folder], as_json=True)
    assert report.is_covered
    assert not report.differs
