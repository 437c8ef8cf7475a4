"""The route of metrics."""

import httpx2

from tests.support.in_memory import MemoryPorts, quote
from tests.support.scrape import scrape


async def test_metrics_tell_the_parts_as_they_are_now(
    client: httpx2.AsyncClient, ports: MemoryPorts
) -> None:
    """Scraped twice, told twice."""
    before = await scrape(client)
    ports.desk.show(quote(7))
    ports.journal.is_writable = False
    after = await scrape(client)

    assert (before["symbols_live"], before["ready"]) == (0, 1)
    assert (after["symbols_live"], after["ready"]) == (1, 0)


async def test_a_scraper_may_ask_with_parameters(client: httpx2.AsyncClient) -> None:
    """Some add a timestamp or a target of their own, and are no clients that mistyped."""
    response = await client.get("/metrics?target=papertape")

    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
