"""The life of an order on the real service, across restarts: keys, cancels and events."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
from websockets.exceptions import WebSocketException

from app.simulator.market.scripted_market import ScriptedMarket
from tests.support.connections import http_client
from tests.support.sent_orders import AT_ONCE, post_all
from tests.support.services import (
    ScriptedVenue,
    make_settings,
    scripted_venue,
    service_under_test,
    started,
    until_ready,
)
from tests.support.stream_client import Contract, Json, open_stream, read_contract
from tests.support.waiting import eventually, eventually_true

SYMBOLS = ("LTCBTC", "ETHBTC")
BUY = {"symbol": "LTCBTC", "order_size": "8", "price": "0.0026", "timeout_seconds": 3_600}
BID = ("0.0024", "9")


@contextlib.asynccontextmanager
async def one_life(
    folder: Path, venue: ScriptedVenue
) -> AsyncIterator[tuple[str, httpx2.AsyncClient]]:
    """Run the service on the database in ``folder``, which may hold orders of an earlier run."""
    settings = make_settings(folder, stream_url=venue.stream_url, rest_url=venue.rest_url)
    async with (
        started(settings) as url,
        http_client(base_url=url) as client,
    ):
        await until_ready(client)
        yield url, client


async def place(client: httpx2.AsyncClient, **changes: object) -> Json:
    """Place an order and return it as soon as it is durable."""
    answer = await client.post("/order/limit", json=BUY | changes, headers=AT_ONCE)
    assert answer.is_success, answer.text
    return dict(answer.json())


async def read_all(client: httpx2.AsyncClient, path: str, member: str) -> list[Json]:
    """Return every entry of a listing."""
    entries: list[Json] = []
    query: dict[str, Any] = {"limit": 1_000}
    while True:
        page = (await client.get(path, params=query)).json()
        entries += page[member]
        if page["next_cursor"] is None:
            return entries
        query["cursor"] = page["next_cursor"]


async def history(client: httpx2.AsyncClient) -> dict[str, list[Json]]:
    """Return the events of every order from GET."""
    orders = await read_all(client, "/orders", "orders")
    return {
        order["order_id"]: await read_all(client, f"/order/{order['order_id']}/events", "events")
        for order in orders
    }


async def test_fifty_requests_with_one_key_make_one_order(tmp_path: Path) -> None:
    """On a real database, too, one order is placed, and all requests get it."""
    async with service_under_test(tmp_path) as service:
        service.market.push("LTCBTC", bid=BID, ask=("0.0025", "9"))

        answers = await post_all(service.client, 50, json=BUY | {"client_order_id": "k-1"})

        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.json()["order_id"] for answer in answers}) == 1
        assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
        assert len(await read_all(service.client, "/orders", "orders")) == 1


async def test_key_is_remembered_across_a_restart(tmp_path: Path) -> None:
    """After a restart, a repeated request gets the stored order, open or closed."""
    closed, resting = {"client_order_id": "closed"}, {"client_order_id": "open", "price": "0.001"}
    async with scripted_venue() as venue:
        venue.market.push("LTCBTC", bid=BID, ask=("0.0025", "9"))
        async with one_life(tmp_path, venue) as (_, client):
            first = await client.post("/order/limit", json=BUY | closed)
            rested = await place(client, **resting)

        async with one_life(tmp_path, venue) as (_, client):
            again = await client.post("/order/limit", json=BUY | closed)
            still = await client.post("/order/limit", json=BUY | resting, headers=AT_ONCE)
            other = await client.post("/order/limit", json=BUY | closed | {"order_size": "9"})

            assert (first.status_code, first.json()["status"]) == (200, "FILLED")
            assert again.json() == first.json()
            assert again.headers["idempotent-replayed"] == "true"
            assert (still.status_code, still.json()) == (202, rested)
            assert (other.status_code, other.json()["order_id"]) == (422, again.json()["order_id"])
            assert len(await read_all(client, "/orders", "orders")) == 2


async def test_open_order_tells_the_market_and_a_closed_one_its_execution(tmp_path: Path) -> None:
    """GET shows the market of an open order and the execution of a closed one."""
    async with service_under_test(tmp_path) as service:
        service.market.push("LTCBTC", bid=BID, ask=("0.0027", "5"))
        order_id = (await place(service.client))["order_id"]
        await eventually_true(lambda: _meets_a_quote(service.client, order_id))

        market = (await service.stored(order_id))["market"]
        service.market.push("LTCBTC", bid=BID, ask=("0.0025", "5"))
        service.market.push("LTCBTC", bid=BID, ask=("0.0025", "8"))
        await eventually_true(lambda: _has_status(service.client, order_id, "FILLED"))
        execution = (await service.stored(order_id))["execution"]

        assert (market["obstacle"], market["best_price"]) == ("price_not_reached", "0.0027")
        assert (market["distance"], market["taken_quantity"]) == ("0.0001", "0")
        assert execution["arrival_price"] == "0.0027"
        assert (execution["slippage"], execution["improvement"]) == ("-0.0002", "0.0001")
        assert execution["quotes_seen"] >= 2


async def test_canceled_orders_stay_canceled_across_a_restart(tmp_path: Path) -> None:
    """A canceled order stays canceled after a restart and is never filled."""
    async with scripted_venue() as venue:
        venue.market.push("LTCBTC", bid=BID, ask=("0.0027", "9"))
        async with one_life(tmp_path, venue) as (_, client):
            placed = [(await place(client))["order_id"] for _ in range(3)]
            one = await client.delete(f"/order/{placed[0]}")
            rest = await client.delete("/orders?symbol=LTCBTC")

        async with one_life(tmp_path, venue) as (_, client):
            venue.market.push("LTCBTC", bid=BID, ask=("0.0025", "900"))
            filled = await client.post("/order/limit", json=BUY)
            again = [await client.delete(f"/order/{order_id}") for order_id in placed]

            assert [one.json()["order_id"], rest.json()["canceled_total"]] == [placed[0], 2]
            assert filled.json()["status"] == "FILLED"
            assert {answer.json()["status"] for answer in again} == {"CANCELED"}
            assert {answer.json()["filled_quantity"] for answer in again} == {"0"}


async def test_service_that_stops_tells_where_to_resume_and_the_next_goes_on(
    tmp_path: Path,
) -> None:
    """A stop closes subscribers with 1012 and a position that is valid after a restart."""
    async with scripted_venue() as venue:
        venue.market.push("LTCBTC", bid=BID, ask=("0.0027", "9"))
        async with contextlib.AsyncExitStack() as stack:
            async with one_life(tmp_path, venue) as (url, client):
                stream = await stack.enter_async_context(open_stream(url))
                await stream.subscribe()
                order_id = (await place(client))["order_id"]
                last = await stream.event()
            messages, closed = await stream.rest()

        async with one_life(tmp_path, venue) as (url, client), open_stream(url) as resumed:
            await resumed.subscribe(after=closed.resume_after)
            await client.delete(f"/order/{order_id}")
            event = await resumed.event()

            assert (messages, closed.code) == ([], 1012)
            assert closed.resume_after == last["position"]
            assert (event["order_id"], event["sequence"]) == (order_id, 2)
            assert event["status"] == "CANCELED"


async def test_position_of_another_database_is_refused(tmp_path: Path) -> None:
    """A position of another database is refused instead of hiding a gap."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    async with scripted_venue() as venue:
        async with one_life(tmp_path / "one", venue) as (url, client), open_stream(url) as stream:
            await stream.subscribe()
            await place(client)
            position = (await stream.event())["position"]

        async with one_life(tmp_path / "two", venue) as (url, _), open_stream(url) as stream:
            await stream.send({"type": "subscribe", "after": position})
            (error,), closed = await stream.rest()

    assert error["code"] == closed.reason == "position_of_another_database"
    assert closed.code == 1008


class Follower:
    """A client that follows all orders, leaves at random, and resumes after its last event."""

    def __init__(self, seed: int) -> None:
        self.events: list[Json] = []
        self.connections = 0
        self._random = random.Random(seed)

    @property
    def position(self) -> str:
        """Return the position to resume after."""
        return str(self.events[-1]["position"]) if self.events else "beginning"

    async def follow(self, url: str, contract: Contract) -> None:
        """Follow until the service stops."""
        with contextlib.suppress(OSError, WebSocketException):
            while True:
                await self._follow_a_while(url, contract)

    async def _follow_a_while(self, url: str, contract: Contract) -> None:
        async with open_stream(url, contract=contract) as stream:
            self.connections += 1
            await stream.subscribe(after=self.position)
            for _ in range(self._random.randint(0, 40)):
                text = await stream.connection.recv()  # for as long as it takes
                self.events.append(stream.read(text))
            if self._random.random() < 0.5:
                stream.connection.transport.abort()


class Trader:
    """Places and cancels orders at random, on a market that moves at random."""

    def __init__(self, seed: int, market: ScriptedMarket) -> None:
        self._random = random.Random(seed)
        self._market = market

    async def trade(self, client: httpx2.AsyncClient, steps: int) -> None:
        """Perform this number of random actions."""
        placed: list[str] = []
        for _ in range(steps):
            symbol = self._random.choice(SYMBOLS)
            chance = self._random.random()
            if chance < 0.45 or not placed:
                size = str(self._random.randint(1, 20))
                time_in_force = self._random.choice([{}, {}, {"time_in_force": "IOC"}])
                body = BUY | {"symbol": symbol, "order_size": size} | time_in_force
                if time_in_force:
                    del body["timeout_seconds"]
                answer = await client.post("/order/limit", json=body, headers=AT_ONCE)
                placed.append(answer.json()["order_id"])
            elif chance < 0.55:
                await client.delete(f"/order/{self._random.choice(placed)}")
            elif chance < 0.57:
                await client.delete(f"/orders?symbol={symbol}")
            else:
                price = self._random.choice(["0.0024", "0.0025", "0.0026", "0.0027"])
                quantity = str(self._random.randint(1, 9))
                self._market.push(symbol, bid=("0.0023", "9"), ask=(price, quantity))


async def test_no_event_is_missed_or_repeated_whoever_leaves_or_stops(tmp_path: Path) -> None:
    """Each client receives every event once, although clients leave and the service restarts.

    Together the events equal the histories from GET, in the order of their positions.
    """
    followers = [Follower(seed) for seed in (1, 2, 3)]
    async with scripted_venue(SYMBOLS) as venue:
        traders = [Trader(seed, venue.market) for seed in (4, 5)]
        for _ in range(2):
            async with _followed_life(tmp_path, venue, followers) as client:
                await asyncio.gather(*(trader.trade(client, steps=60) for trader in traders))
        async with _followed_life(tmp_path, venue, followers) as client:
            await asyncio.gather(*(trader.trade(client, steps=60) for trader in traders))
            for symbol in SYMBOLS:
                await client.delete("/orders", params={"symbol": symbol})
            expected = await history(client)
            total = sum(len(events) for events in expected.values())
            await eventually(lambda: min(len(one.events) for one in followers) >= total)

    by_position = {one["position"]: one for events in expected.values() for one in events}
    assert len(by_position) == total > 200
    for events in expected.values():
        assert [one["sequence"] for one in events] == list(range(1, len(events) + 1))
    for follower in followers:
        assert follower.connections > 6
        assert len(follower.events) == total
        assert {one["position"]: one for one in follower.events} == by_position
        assert follower.events == followers[0].events
        for order_id, events in expected.items():
            assert [one for one in follower.events if one["order_id"] == order_id] == events


@contextlib.asynccontextmanager
async def _followed_life(
    folder: Path, venue: ScriptedVenue, followers: list[Follower]
) -> AsyncIterator[httpx2.AsyncClient]:
    """Run the service while the followers follow it until it stops."""
    async with asyncio.TaskGroup() as group, one_life(folder, venue) as (url, client):
        contract = await read_contract(url)
        for follower in followers:
            group.create_task(follower.follow(url, contract))
        yield client


async def _meets_a_quote(client: httpx2.AsyncClient, order_id: str) -> bool:
    market = (await client.get(f"/order/{order_id}")).json()["market"]
    return market is not None and market["update_id"] is not None


async def _has_status(client: httpx2.AsyncClient, order_id: str, status: str) -> bool:
    return bool((await client.get(f"/order/{order_id}")).json()["status"] == status)
