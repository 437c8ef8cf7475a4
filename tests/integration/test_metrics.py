"""The metrics of a running service about its market data, while the venue fails."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from tests.support.connections import connect
from tests.support.scrape import scrape
from tests.support.services import ServiceUnderTest, service_under_test
from tests.support.waiting import eventually_true

BUY = {"symbol": "LTCBTC", "order_size": "8", "price": "0.0026"}


async def test_figures_follow_an_order_and_its_quotes(tmp_path: Path) -> None:
    """Metrics of feed, symbols, journal and orders change from idle to filled."""
    async with service_under_test(tmp_path) as service:
        before = await scrape(service.client)
        service.market.push("LTCBTC", bid=("0.0024", "9"), ask=("0.0025", "5"))
        placing = asyncio.create_task(service.order(**BUY))
        await eventually_true(lambda: _shows(service, "order_splits_total", 1))
        while_open = await scrape(service.client)
        service.market.push("LTCBTC", bid=("0.0024", "9"), ask=("0.0025", "50"))
        await placing
        after = await scrape(service.client)

        assert before['feed_status{status="idle"}'] == 1
        assert before['feed_connections_lost_total{cause="keepalive"}'] == 0
        assert before['feed_frames_dropped_total{reason="contradictory"}'] == 0
        assert (before["symbols"], before["feed_symbols"], before["orders_open"]) == (0, 0, 0)
        assert "newest_quote_age_seconds" not in before
        assert before['rules_source{source="venue"}'] == 1
        assert 0 <= before["rules_age_seconds"] < 3_600
        assert before["rules_symbols"] == 1
        assert while_open['feed_status{status="connected"}'] == 1
        assert while_open['feed_connections{status="connected"}'] == 1
        assert while_open["feed_connected_seconds"] >= 0
        assert (while_open["symbols"], while_open["symbols_live"]) == (1, 1)
        assert 0 <= while_open["newest_quote_age_seconds"] < 3_600
        assert (while_open["orders_open"], while_open["orders_accepted_total"]) == (1, 1)
        assert after["orders_open"] == 0
        assert after['orders_ended_total{reason="",status="FILLED"}'] == 1
        assert after["order_splits_total"] == 2
        assert after["quotes_applied_total"] >= 2
        assert after["feed_control_messages_total"] in {1, 2}  # the other requests the venue's time
        assert after["journal_events_total"] == 3
        assert 2 <= after["journal_commits_total"] <= 5
        assert after["feed_connections_opened_total"] == 1


async def test_a_lost_connection_is_told_with_its_cause(tmp_path: Path) -> None:
    """Metrics, probe and symbol show a lost connection with its cause, and metrics its recovery."""
    async with service_under_test(tmp_path) as service, _resting_order(service):
        service.venue.faults.refuse_connections()
        service.venue.faults.drop_connections()
        await eventually_true(lambda: _has_failed_to_connect(service))
        down = (await service.ready())["feed"]
        symbol = (await service.client.get("/symbols/LTCBTC")).json()
        figures = await scrape(service.client)
        service.venue.faults.refuse_connections(on=False)
        await eventually_true(lambda: _shows(service, "symbols_live", 1))
        back = await scrape(service.client)

        assert down["status"] == "down"
        assert down["cause"]
        assert down["connections"][0]["cause"]
        assert (down["live_symbols"], down["newest_quote_age_milliseconds"]) == (0, None)
        assert down["lost"] == {"reset": 1}
        assert set(down["failed"]) == {"http_status"}
        assert (symbol["subscribed"], symbol["live"], symbol["feed"]["status"]) == (
            True,
            False,
            "down",
        )
        assert figures["symbols_live"] == 0
        assert "feed_connected_seconds" not in figures
        assert figures['feed_connections_lost_total{cause="reset"}'] == 1
        assert figures['feed_attempts_failed_total{cause="http_status"}'] >= 1
        assert figures['feed_attempts_failed_total{cause="dns"}'] == 0
        assert back["feed_reconnects_total"] == 1
        assert back['feed_status{status="connected"}'] == 1


async def test_a_listener_of_events_is_counted_while_it_listens(tmp_path: Path) -> None:
    """A subscription to events is counted until it ends."""
    async with service_under_test(tmp_path) as service:
        address = service.url.replace("http", "ws") + "/ws/orders"
        async with connect(address) as websocket:
            await websocket.send('{"type": "subscribe"}')
            await eventually_true(lambda: _shows(service, "event_subscriptions", 1))
        await eventually_true(lambda: _shows(service, "event_subscriptions", 0))


@contextlib.asynccontextmanager
async def _resting_order(service: ServiceUnderTest) -> AsyncIterator[None]:
    """Keep an order resting on a live symbol while the block runs."""
    service.market.push("LTCBTC", bid=("0.0024", "9"), ask=("0.0027", "5"))
    placing = asyncio.create_task(service.order(**BUY))
    await eventually_true(lambda: _shows(service, "symbols_live", 1))
    yield
    await service.client.delete("/orders", params={"symbol": "LTCBTC"})
    await placing


async def _shows(service: ServiceUnderTest, name: str, value: float) -> bool:
    return (await scrape(service.client)).get(name) == value


async def _has_failed_to_connect(service: ServiceUnderTest) -> bool:
    return (await scrape(service.client))["feed_connection_failures_total"] > 0
