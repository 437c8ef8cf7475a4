"""The routes that read orders, over a desk in memory."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from httpx2 import AsyncClient

from app.api.orders import order_detail, order_models
from app.api.stream import event_models
from app.api.stream.stream_cursors import write_position
from app.domain.errors import DatabaseUnavailableError
from app.domain.order import OrderId
from app.domain.quote import Quote
from tests.support.in_memory import STREAM_ID, MemoryPorts, quote
from tests.support.sent_orders import (
    BUY,
    NO_SUCH_ORDER,
    ORDER_KEYS,
    fill_in_lots,
    place,
    place_at_once,
    until_waiting,
)
from tests.support.waiting import eventually

SUMMARY_KEYS = [key for key in ORDER_KEYS if key != "splits"]


@pytest.mark.parametrize(
    "path", [f"/order/{NO_SUCH_ORDER}", f"/order/{NO_SUCH_ORDER}/events", "/orders"]
)
async def test_database_that_does_not_answer_is_503(
    client: AsyncClient, ports: MemoryPorts, path: str
) -> None:
    """A failing database is reported as 503 and not as a missing order."""
    ports.orders.refusal = DatabaseUnavailableError()

    response = await client.get(path)

    assert response.status_code == 503
    assert response.json()["code"] == "database_unavailable"


async def test_placed_order_can_be_read_by_its_id(client: AsyncClient, ports: MemoryPorts) -> None:
    """GET returns the order as its placing returned it, without the message."""
    ports.desk.show(quote(1))
    placed = (await client.post("/order/limit", json=BUY)).json()

    response = await client.get(f"/order/{placed['order_id'].upper()}")

    assert response.status_code == 200
    placed.pop("message")
    told = response.json()
    assert list(told) == [*ORDER_KEYS, "market", "execution"]
    assert {key: told[key] for key in ORDER_KEYS} == placed
    order_detail.OrderDetail.model_validate_json(response.content, strict=True)


@pytest.mark.parametrize(
    "order_id",
    [NO_SUCH_ORDER, "1", "limits", "%00", "..%2forders", "%F0%9F%92%A9", "x" * 5_000, "'--"],
)
@pytest.mark.parametrize("suffix", ["", "/splits", "/events"])
async def test_unknown_order_is_404(client: AsyncClient, order_id: str, suffix: str) -> None:
    """Any unknown or malformed id gives 404, and the answer does not echo it."""
    response = await client.get(f"/order/{order_id}{suffix}")

    assert response.status_code == 404
    assert response.json()["code"] in {"order_not_found", "not_found"}
    assert len(response.content) < 300


async def test_splits_beyond_1000_are_read_page_by_page(
    client: AsyncClient, ports: MemoryPorts
) -> None:
    """An answer holds the first 1,000 splits; pages hold the others without gaps or repeats."""
    request = asyncio.create_task(
        client.post("/order/limit", json=BUY | {"order_size": "1203", "timeout_seconds": 30})
    )
    await until_waiting(ports)
    fill_in_lots(ports, 1_203)
    placed = await request

    answer = placed.json()
    assert answer["splits_total"] == 1_203
    assert len(answer["splits"]) == 1_000
    link, relation = placed.headers["link"].split("; ")
    assert relation == 'rel="next"'
    rest = (await client.get(link.strip("<>"))).json()
    assert [split["update_id"] for split in answer["splits"] + rest["splits"]] == [
        2 * number for number in range(1, 1_204)
    ]
    assert rest["next_cursor"] is None
    paged: list[dict[str, object]] = []
    cursor: str | None = ""
    while cursor is not None:
        path = f"/order/{answer['order_id']}/splits?limit=500{cursor and f'&cursor={cursor}'}"
        response = await client.get(path)
        page = order_models.SplitsPage.model_validate_json(response.content, strict=True)
        assert page.splits_total == 1_203
        paged += response.json()["splits"]
        cursor = page.next_cursor
    assert paged == answer["splits"] + rest["splits"]


async def test_splits_of_an_open_order_agree_with_the_order(
    client: AsyncClient, ports: MemoryPorts
) -> None:
    """An answer never shows splits that ``filled_quantity`` does not include."""
    ports.desk.show(quote(1, ask=("0.000912", "60")))
    request = asyncio.create_task(client.post("/order/limit", json=BUY | {"timeout_seconds": 30}))
    await until_waiting(ports)
    (order_id,) = ports.orders.snapshots
    before = ports.orders.snapshots[order_id]
    ports.desk.show(quote(2, ask=("0.000912", "70")))
    ports.orders.snapshots[order_id] = before

    shown = (await client.get(f"/order/{order_id}")).json()

    assert [split["quantity"] for split in shown["splits"]] == ["60"]
    assert shown["filled_quantity"] == "60"
    request.cancel()


async def test_orders_are_listed_newest_first_with_a_cursor_that_stays_good(
    client: AsyncClient, ports: MemoryPorts
) -> None:
    """Orders placed between two pages do not shift the pages."""
    ports.desk.show(quote(1, ask=("0.000912", "100000")))
    placed = [(await client.post("/order/limit", json=BUY)).json()["order_id"] for _ in range(5)]
    first = (await client.get("/orders?limit=2")).json()
    await client.post("/order/limit", json=BUY)

    second = (
        await client.get("/orders", params={"limit": 2, "cursor": first["next_cursor"]})
    ).json()
    third = await client.get("/orders", params={"limit": 2, "cursor": second["next_cursor"]})

    pages = [first, second, third.json()]
    listed = [order["order_id"] for page in pages for order in page["orders"]]
    assert listed == placed[::-1]
    assert third.json()["next_cursor"] is None
    assert list(first["orders"][0]) == SUMMARY_KEYS
    order_models.OrdersPage.model_validate_json(third.content, strict=True)


async def test_orders_are_filtered_by_symbol_and_status(
    client: AsyncClient, ports: MemoryPorts
) -> None:
    """A filter matches exactly the named symbol and status, in upper or lower case."""
    ports.desk.show(quote(1))
    filled = (await client.post("/order/limit", json=BUY)).json()["order_id"]
    expired = (await client.post("/order/limit", json=BUY | {"price": "0.0001"})).json()["order_id"]

    async def listed(query: str) -> list[str]:
        response = await client.get(f"/orders?{query}")
        return [order["order_id"] for order in response.json()["orders"]]

    assert await listed("status=filled") == [filled]
    assert await listed("status=EXPIRED&symbol=ltcbtc") == [expired]
    assert await listed("status=NEW") == []
    assert await listed("symbol=ETHBTC") == []
    assert await listed("") == [expired, filled]


async def test_order_is_found_by_its_key(client: AsyncClient, ports: MemoryPorts) -> None:
    """A client that lost an answer can find its order by key."""
    ports.desk.show(quote(1))
    await client.post("/order/limit", json=BUY | {"client_order_id": "k-1"})
    await client.post("/order/limit", json=BUY | {"client_order_id": "k-2"})

    found = (await client.get("/orders?client_order_id=k-1")).json()["orders"]

    assert [order["client_order_id"] for order in found] == ["k-1"]
    assert (await client.get("/orders?client_order_id=k-3")).json()["orders"] == []


def showing(update_id: int, sides: dict[str, tuple[str, str]]) -> Quote:
    """Return a quote with the given sides and defaults for the others."""
    usual = {"bid": ("0.000911", "400"), "ask": ("0.000912", "400")} | sides
    return quote(update_id, bid=usual["bid"], ask=usual["ask"])


FEED = {"status": "connected", "cause": None, "since": "2025-10-07T09:12:30.917204Z"}


@pytest.mark.parametrize(
    ("side", "price", "order_size", "shown", "expected"),
    [
        ("BUY", "0.0026", "100", None, ("no_quote", None, None, None, None)),
        ("BUY", "0.0026", "100", {"ask": ("0", "0")}, ("side_empty", None, None, "0", "0")),
        ("SELL", "0.0001", "100", {"bid": ("0", "0")}, ("side_empty", None, None, "0", "0")),
        ("BUY", "0.0009", "100", {}, ("price_not_reached", "0.000912", "0.000012", "400", "0")),
        ("SELL", "0.0026", "100", {}, ("price_not_reached", "0.000911", "0.001689", "400", "0")),
        ("BUY", "0.0026", "500", {}, ("liquidity_taken", "0.000912", "-0.001688", "400", "400")),
        ("SELL", "0.000911", "500", {}, ("liquidity_taken", "0.000911", "0", "400", "400")),
    ],
)
async def test_open_order_tells_what_keeps_it_from_being_filled(
    client: AsyncClient,
    ports: MemoryPorts,
    *,
    side: str,
    price: str,
    order_size: str,
    shown: dict[str, tuple[str, str]] | None,
    expected: tuple[str | None, ...],
) -> None:
    """GET names the obstacle, best price, distance, displayed quantity and taken quantity.

    The table has mirrored cases for both sides of the book.
    """
    if shown is not None:
        ports.desk.show(showing(7, shown))
    order_id = await place_at_once(client, side=side, price=price, order_size=order_size)

    answer = await client.get(f"/order/{order_id}")

    told = answer.json()
    market = told["market"]
    assert told["execution"] is None
    assert tuple(market.values())[0:1] + tuple(market.values())[2:6] == expected
    assert list(market) == list(order_detail.Market.model_fields)
    assert market["explanation"]
    assert market["update_id"] == (None if shown is None else 7)
    age = market["quote_age_milliseconds"]
    assert (age is None) is (shown is None)
    assert age is None or 0 <= age < 60_000
    assert market["feed"] == FEED
    order_detail.OrderDetail.model_validate_json(answer.content, strict=True)


async def test_only_ones_own_side_is_taken(client: AsyncClient, ports: MemoryPorts) -> None:
    """A BUY takes from the asks only, so a SELL sees the bids untouched."""
    ports.desk.show(quote(1))
    await place_at_once(client, order_size="500")
    order_id = await place_at_once(client, side="SELL", price="0.001")

    market = (await client.get(f"/order/{order_id}")).json()["market"]

    assert (market["displayed_quantity"], market["taken_quantity"]) == ("400", "0")


async def test_database_that_takes_no_writes_is_an_obstacle(
    client: AsyncClient, ports: MemoryPorts
) -> None:
    """While writes are held, the obstacle is ``writes_held`` and the taken quantity is unknown."""
    ports.desk.show(quote(1))
    order_id = await place_at_once(client, order_size="500")
    ports.journal.is_writable = False

    market = (await client.get(f"/order/{order_id}")).json()["market"]

    assert market["obstacle"] == "writes_held"
    assert market["taken_quantity"] is None
    assert market["displayed_quantity"] == "400"


async def test_what_is_not_durable_is_not_told_as_taken(
    client: AsyncClient, ports: MemoryPorts
) -> None:
    """GET waits until the fills that its market view would reveal are durable."""
    order_id = await place_at_once(client, order_size="500")
    ports.journal.hold()
    ports.desk.show(quote(1))
    looking = asyncio.create_task(client.get(f"/order/{order_id}"))
    await eventually(lambda: ports.journal.waiting_total == 2)  # the fill and the waiting GET

    ports.journal.release()

    assert (await looking).json()["market"]["taken_quantity"] == "400"


async def test_what_does_not_become_durable_soon_is_left_out(
    client: AsyncClient, ports: MemoryPorts
) -> None:
    """On a slow disk, GET answers without the taken quantity, so it reveals no fill."""
    order_id = await place_at_once(client, order_size="500")
    ports.journal.hold()
    ports.desk.show(quote(1))

    told = (await client.get(f"/order/{order_id}")).json()

    assert told["filled_quantity"] == "0"
    assert told["market"]["taken_quantity"] is None
    assert told["market"]["obstacle"] == "writes_held"
    ports.journal.release()


@pytest.mark.parametrize(
    ("side", "price", "prices", "expected"),
    [
        ("BUY", "0.001", ["0.000912", "0.000916"], ("0.000912", "0.000002", "0.000086")),
        ("BUY", "0.001", ["0.000912", "0.000908"], ("0.000912", "-0.000002", "0.00009")),
        ("SELL", "0.0008", ["0.00091", "0.000906"], ("0.00091", "0.000002", "0.000108")),
        ("SELL", "0.0008", ["0.00091", "0.000914"], ("0.00091", "-0.000002", "0.000112")),
        ("SELL", "0.00091", ["0.00091"], ("0.00091", "0", "0")),
    ],
)
async def test_closed_order_tells_how_well_it_was_filled(
    client: AsyncClient,
    ports: MemoryPorts,
    *,
    side: str,
    price: str,
    prices: list[str],
    expected: tuple[str, str, str],
) -> None:
    """Slippage is measured from the first quote met, improvement from the limit, on both sides.

    Each quote fills an equal part of the order at its price.
    """
    name = "ask" if side == "BUY" else "bid"
    other = {"bid": ("0.0005", "1")} if name == "ask" else {"ask": ("0.0015", "1")}
    touches = [(one, str(100 // len(prices))) for one in prices]
    ports.desk.show(showing(1, {name: touches[0]} | other))
    order_id = await place_at_once(client, side=side, price=price)
    for number, touch in enumerate(touches[1:], start=2):
        ports.desk.show(showing(number, {name: touch} | other))

    answer = await client.get(f"/order/{order_id}")

    told = answer.json()
    execution = told["execution"]
    assert (told["status"], told["market"]) == ("FILLED", None)
    assert execution["arrival_update_id"] == 1
    assert (execution["arrival_price"], execution["slippage"], execution["improvement"]) == expected
    assert execution["quotes_seen"] == len(touches)
    assert 0 <= execution["first_fill_milliseconds"] <= execution["last_fill_milliseconds"]
    order_detail.OrderDetail.model_validate_json(answer.content, strict=True)


async def test_closed_order_without_fills_has_no_slippage(
    client: AsyncClient, ports: MemoryPorts
) -> None:
    """Fields about fills are null, and the quotes met are counted."""
    unmet = await place_at_once(client, symbol="ETHBTC")
    ports.desk.show(quote(1))
    met = await place_at_once(client, price="0.0001")
    ports.desk.show(quote(2))
    for order_id in (unmet, met):
        await client.delete(f"/order/{order_id}")

    executions = [
        (await client.get(f"/order/{order_id}")).json()["execution"] for order_id in (unmet, met)
    ]

    nothing = {
        "slippage": None,
        "improvement": None,
        "first_fill_milliseconds": None,
        "last_fill_milliseconds": None,
        "decision": None,
    }
    assert executions == [
        {"arrival_update_id": None, "arrival_price": None, **nothing, "quotes_seen": 0},
        {"arrival_update_id": 1, "arrival_price": "0.000912", **nothing, "quotes_seen": 2},
    ]


@pytest.mark.parametrize(
    ("kind", "price", "order_size", "ask", "decision"),
    [
        ("FOK", "0.000912", "200", ("0.000912", "312.484"), ("0.000912", "312.484", "118.61")),
        ("IOC", "0.000912", "200", ("0.000912", "312.484"), ("0.000912", "312.484", "118.61")),
        ("FOK", "0.0009", "200", ("0.000912", "312.484"), ("0.000912", "312.484", "118.61")),
        ("IOC", "0.0009", "200", ("0.000912", "312.484"), ("0.000912", "312.484", "118.61")),
        ("IOC", "0.0026", "100", ("0", "0"), (None, "0", "0")),
        ("FOK", "0.000912", "1", ("0.000912", "312.484"), None),
    ],
    ids=["too little", "some left", "FOK beyond", "IOC beyond", "empty side", "filled"],
)
async def test_order_that_a_quote_decided_tells_what_that_had_for_it(
    client: AsyncClient,
    ports: MemoryPorts,
    *,
    kind: str,
    price: str,
    order_size: str,
    ask: tuple[str, str],
    decision: tuple[str | None, ...] | None,
) -> None:
    """The execution shows the deciding quote and how much of it other orders had taken.

    The price of an empty side is null, since zero would look like a price; a filled order has no
    decision.
    """
    ports.desk.show(quote(7, ask=ask))
    await place_at_once(client, order_size="118.61", price="0.000912")
    placed = await place(client, time_in_force=kind, price=price, order_size=order_size)

    answer = await client.get(f"/order/{placed.json()['order_id']}")

    told = answer.json()["execution"]["decision"]
    keys = ("update_id", "price", "displayed_quantity", "taken_quantity")
    assert told == (decision and dict(zip(keys, (7, *decision), strict=True)))
    order_detail.OrderDetail.model_validate_json(answer.content, strict=True)


async def test_last_fill_may_lie_beyond_the_splits_of_the_answer(
    client: AsyncClient, ports: MemoryPorts
) -> None:
    """The time of the last fill is correct when its split is not in the answer."""
    order_id = OrderId(await place_at_once(client, order_size="1003"))
    fill_in_lots(ports, 1_003)
    splits = ports.orders.splits[order_id]
    accepted_at = ports.orders.snapshots[order_id].order.accepted_at
    late = replace(splits[-1], filled_at=accepted_at + timedelta(seconds=7))
    ports.orders.splits[order_id] = [*splits[:-1], late]

    told = (await client.get(f"/order/{order_id}")).json()

    assert len(told["splits"]) == 1_000
    assert told["execution"]["last_fill_milliseconds"] == 7_000
    assert told["execution"]["first_fill_milliseconds"] < 7_000


async def test_events_of_an_order_are_read_page_by_page(
    client: AsyncClient, ports: MemoryPorts
) -> None:
    """Pages hold every event once, numbered 1 to n, and the last page has no cursor."""
    ports.desk.show(quote(1, ask=("0.000912", "30")))
    order_id = await place_at_once(client)
    ports.desk.show(quote(2, ask=("0.000912", "50")))
    await client.delete(f"/order/{order_id}")

    first = await client.get(f"/order/{order_id}/events?limit=2")
    cursor = first.json()["next_cursor"]
    second = await client.get(f"/order/{order_id}/events", params={"limit": 2, "cursor": cursor})

    events = first.json()["events"] + second.json()["events"]
    assert second.json()["next_cursor"] is None
    assert [(one["sequence"], one["status"], one["filled_quantity"]) for one in events] == [
        (1, "NEW", "0"),
        (2, "PARTIALLY_FILLED", "30"),
        (3, "PARTIALLY_FILLED", "50"),
        (4, "CANCELED", "50"),
    ]
    assert events[-1]["reason"] == "CANCELED_BY_CLIENT"
    assert [one["position"] for one in events] == [
        write_position(STREAM_ID, stored.position) for stored in ports.orders.events
    ]
    for page in (first, second):
        event_models.EventsPage.model_validate_json(page.content, strict=True)
