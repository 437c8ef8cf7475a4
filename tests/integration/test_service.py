"""The whole service in one process, on real SQLite, against the simulated venue over loopback."""

import asyncio
import shutil
import sqlite3
import subprocess
from collections import Counter
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest

from app.domain.errors import StartupError
from tests.support.connections import http_client
from tests.support.raw_http import RawConnection
from tests.support.scrape import scrape
from tests.support.sent_orders import AT_ONCE
from tests.support.services import (
    ServiceUnderTest,
    make_settings,
    scripted_venue,
    service_on,
    service_under_test,
    started,
    until_ready,
)
from tests.support.stream_client import open_stream
from tests.support.waiting import WAIT_SECONDS_MAX, eventually, eventually_true

BUY = {"symbol": "LTCBTC", "order_size": "8", "price": "0.0026"}


async def test_an_order_is_fulfilled_over_several_quotes(tmp_path: Path) -> None:
    """A repeated quote is sold once, and the answer and GET hold every split."""
    async with service_under_test(tmp_path) as service:
        service.market.push("LTCBTC", bid=("0.0024", "9"), ask=("0.0025", "5"))
        posting = asyncio.create_task(service.order(**BUY))
        await eventually_true(lambda: _is_partially_filled(service))

        service.market.push("LTCBTC", bid=("0.0023", "9"), ask=("0.0025", "5"))
        service.market.push("LTCBTC", bid=("0.0023", "9"), ask=("0.0025", "7"))
        service.market.push("LTCBTC", bid=("0.0023", "9"), ask=("0.00251", "4"))
        answer = await posting

        assert answer["message"] == "Order successfully fulfilled"
        assert answer["status"] == "FILLED"
        assert [(one["price"], one["quantity"]) for one in answer["splits"]] == [
            ("0.0025", "5"),
            ("0.0025", "2"),
            ("0.00251", "1"),
        ]
        assert answer["quote_quantity"] == "0.02001"
        assert answer["average_price"] == "0.00250125"
        stored = await service.stored(answer["order_id"])
        assert stored["splits"] == answer["splits"]


async def test_a_sell_takes_from_bids(tmp_path: Path) -> None:
    """A SELL fills at the bid's price and not at its limit price."""
    async with service_under_test(tmp_path) as service:
        service.market.push("LTCBTC", bid=("0.0024", "9"), ask=("0.0025", "5"))

        answer = await service.order(symbol="ltcbtc", order_size=8, price=0.0001, side="SELL")

        assert answer["side"] == "SELL"
        assert [(one["price"], one["quantity"]) for one in answer["splits"]] == [("0.0024", "8")]


async def test_the_documented_command_works_as_printed(tmp_path: Path) -> None:
    """The curl command needs no header: its form content type is read as JSON."""
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("there is no curl on this machine")
    async with service_under_test(tmp_path) as service:
        service.market.push("LTCBTC", bid=("0.0024", "2000"), ask=("0.0025", "5"))
        body = '{"symbol": "LTCBTC", "order_size": 1000, "price": 0.0001, "side": "SELL"}'
        command = [curl, "--silent", "--request", "POST", "--url", f"{service.url}/order/limit"]
        command += ["--data", body]

        run = await asyncio.to_thread(
            subprocess.run,
            command,
            capture_output=True,
            text=True,
            check=True,
            timeout=WAIT_SECONDS_MAX,
        )

        assert "Order successfully fulfilled" in run.stdout


async def test_a_buy_far_below_the_market_is_answered_when_its_time_is_up(tmp_path: Path) -> None:
    """An order without ``side`` is a BUY; if it expires unfilled, the answer is not an error."""
    async with service_under_test(tmp_path, order_timeout_seconds="0.3") as service:
        service.market.push("LTCBTC", bid=("0.0024", "2000"), ask=("0.0025", "5"))

        answer = await service.order(symbol="LTCBTC", order_size=1000, price=0.0001)

        assert answer["message"] == "Order not fulfilled"
        assert (answer["status"], answer["reason"]) == ("EXPIRED", "TIMEOUT")
        assert answer["splits"] == []


async def test_orders_for_fifty_symbols_share_one_connection(tmp_path: Path) -> None:
    """Orders for fifty symbols use one connection to the venue."""
    symbols = [f"A{number:02}BTC" for number in range(50)]
    async with service_under_test(tmp_path, symbols=symbols) as service:
        for symbol in symbols:
            service.market.push(symbol, bid=("0.9", "1"), ask=("1", "5"))

        answers = await asyncio.gather(
            *(service.order(symbol=symbol, order_size=5, price=1) for symbol in symbols)
        )

        assert {one["status"] for one in answers} == {"FILLED"}
        assert service.venue.observations.connections_opened == 1


async def test_five_hundred_orders_for_one_symbol_share_one_stream(tmp_path: Path) -> None:
    """Five hundred orders for one symbol fill exactly the displayed quantity, over one stream."""
    async with service_under_test(tmp_path) as service:
        service.market.push("LTCBTC", bid=("0.0023", "1"), ask=("0.0025", "400"))
        buy = {"symbol": "LTCBTC", "order_size": 1, "price": "0.0026"}

        connections = [await RawConnection.open(service.url) for _ in range(500)]
        answering = [asyncio.create_task(one.order(buy)) for one in connections]
        await eventually(lambda: sum(task.done() for task in answering) == 400)
        await eventually_true(lambda: _are_open(service.client, 100))
        await service.client.delete("/orders", params={"symbol": "LTCBTC"})
        answers = await asyncio.gather(*answering)
        for connection in connections:
            await connection.close()

        assert Counter(one.body["status"] for one in answers) == {"FILLED": 400, "CANCELED": 100}
        assert service.venue.observations.connections_opened == 1
        assert service.venue.observations.quotes_subscribed == ["ltcbtc@bookTicker"]


async def test_the_database_can_be_read_by_people(tmp_path: Path) -> None:
    """A user can read fulfilled orders from the database file with plain SQL."""
    async with service_under_test(tmp_path) as service:
        service.market.push("LTCBTC", bid=("0.0024", "9"), ask=("0.0025", "50"))
        answer = await service.order(**BUY)

    with sqlite3.connect(tmp_path / "service.db") as database:
        fulfilled = database.execute(
            "SELECT f.id, f.symbol, f.quantity, s.price, s.quantity FROM fulfilled_orders f"
            " JOIN fulfilled_order_splits s ON s.order_id = f.id"
        ).fetchall()
    database.close()

    assert fulfilled == [(answer["order_id"], "LTCBTC", "8", "0.0025", "8")]


async def test_without_a_venue_the_service_starts_says_so_and_recovers(tmp_path: Path) -> None:
    """The service starts without a venue, refuses orders until it has rules, and recovers."""
    async with scripted_venue() as venue:
        port = int(venue.rest_url.rpartition(":")[2])
        settings = make_settings(tmp_path, stream_url=venue.stream_url, rest_url=venue.rest_url)
    async with started(settings) as url, http_client(base_url=url) as client:
        ready = await client.get("/readyz")
        refused = await client.post("/order/limit", json=BUY)

        assert ready.status_code == httpx2.codes.SERVICE_UNAVAILABLE
        assert (refused.status_code, refused.json()["code"]) == (503, "rules_not_loaded")
        assert int(refused.headers["Retry-After"]) > 0
        async with scripted_venue(port=port) as venue:
            venue.market.push("LTCBTC", bid=("0.0024", "9"), ask=("0.0025", "50"))
            await until_ready(client)
            answer = await client.post("/order/limit", json=BUY)
            assert answer.json()["status"] == "FILLED"


async def test_orders_wait_while_the_name_of_the_venue_is_unknown(tmp_path: Path) -> None:
    """With a failing DNS, the order meets no quote, and the cause is counted and reported."""
    order = BUY | {"timeout_seconds": 0.3}
    async with scripted_venue() as venue:
        venue.market.push("LTCBTC", bid=("0.0024", "7"), ask=("0.0025", "5"))
        nowhere = replace(venue, stream_url="ws://no-such-venue.invalid")
        async with service_on(nowhere, tmp_path) as service:
            answer = await service.order(**order)
            await eventually_true(lambda: _is_down(service))
            feed = (await service.ready())["feed"]

    assert (answer["status"], answer["reason"]) == ("EXPIRED", "NO_MARKET_DATA")
    assert feed["failed"]["dns"] > 0
    assert "no-such-venue.invalid" in feed["cause"]


async def test_key_is_remembered_across_a_restart(tmp_path: Path) -> None:
    """After a restart, a repeated request gets the stored order, open or closed."""
    closed = BUY | {"client_order_id": "closed"}
    resting = BUY | {"client_order_id": "open", "price": "0.001"}
    async with scripted_venue() as venue:
        venue.market.push("LTCBTC", bid=("0.0024", "9"), ask=("0.0025", "9"))
        async with service_on(venue, tmp_path) as service:
            first = await service.client.post("/order/limit", json=closed)
            rested = await service.client.post("/order/limit", json=resting, headers=AT_ONCE)

        async with service_on(venue, tmp_path) as service:
            again = await service.client.post("/order/limit", json=closed)
            still = await service.client.post("/order/limit", json=resting, headers=AT_ONCE)
            other = await service.client.post("/order/limit", json=closed | {"order_size": "9"})
            orders = (await service.client.get("/orders")).json()["orders"]

    assert (first.status_code, first.json()["status"]) == (200, "FILLED")
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"
    assert (still.status_code, still.json()) == (202, rested.json())
    assert (other.status_code, other.json()["order_id"]) == (422, again.json()["order_id"])
    assert len(orders) == 2


async def test_position_of_another_database_is_refused(tmp_path: Path) -> None:
    """A position of another database is refused instead of hiding a gap."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    async with scripted_venue() as venue:
        async with (
            service_on(venue, tmp_path / "one") as service,
            open_stream(service.url) as stream,
        ):
            await stream.subscribe()
            await service.place(**BUY)
            position = (await stream.event())["position"]

        async with (
            service_on(venue, tmp_path / "two") as service,
            open_stream(service.url) as stream,
        ):
            await stream.send({"type": "subscribe", "after": position})
            (error,), closed = await stream.rest()

    assert error["code"] == closed.reason == "position_of_another_database"
    assert closed.code == 1008


async def test_a_body_that_is_under_way_at_a_stop_is_answered(tmp_path: Path) -> None:
    """A stop does not wait for an unfinished body but answers it with a 503."""
    async with service_under_test(tmp_path) as service:
        connection = await RawConnection.open(service.url)
        await connection.begin_a_body()

    answer = await connection.answer()

    assert (answer.status, answer.body["code"]) == (503, "stopping")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["connection"] == "close"
    await connection.close()


async def test_a_taken_port_is_named(tmp_path: Path) -> None:
    """Starting on a port in use fails with an error that names the address."""
    async with service_under_test(tmp_path) as service:
        port = int(service.url.rpartition(":")[2])
        settings = make_settings(tmp_path, stream_url="ws://x", rest_url="http://x")

        with pytest.raises(StartupError, match=f"cannot listen on 127.0.0.1:{port}"):
            async with started(settings.model_copy(update={"http_port": port})):
                pass


async def _is_partially_filled(service: ServiceUnderTest) -> bool:
    return any(one["status"] == "PARTIALLY_FILLED" for one in await service.open_orders())


async def _is_down(service: ServiceUnderTest) -> bool:
    return bool((await service.ready())["feed"]["status"] == "down")


async def _are_open(client: httpx2.AsyncClient, count: int) -> bool:
    return (await scrape(client))["orders_open"] == count
