"""Tests of ``app.cli.client.manage_orders``."""

from functools import partial

import pytest

from app.cli.client import manage_orders
from app.cli.client.client_errors import RefusedError
from app.cli.client.service_client import ServiceClient
from tests.support.fake_service import FakeService, PlannedAnswer, problem
from tests.unit.cli.client.order_builders import BODY
from tests.unit.cli.conftest import Printed

NO_FILTERS: dict[str, str | None] = {"symbol": None, "status": None, "client_order_id": None}

list_orders = partial(manage_orders.list_orders, limit=20, as_json=False)
show_order = partial(manage_orders.show_order, all_splits=False, as_json=False)
cancel_order = partial(manage_orders.cancel_order, as_json=False)
cancel_orders = partial(manage_orders.cancel_orders, as_json=False)


@pytest.mark.parametrize("limit", [3, None])
async def test_orders_are_listed_newest_first_across_pages(
    fake: FakeService, client: ServiceClient, printed: Printed, limit: int | None
) -> None:
    """The output is one table; a message mentions further orders."""
    fake.page_limit = 2
    ids = [fake.accept(BODY)["order_id"] for _ in range(5)][::-1]

    assert await list_orders(client, NO_FILTERS, limit=limit) == 0

    heading, *rows = printed.lines
    assert heading.split()[0] == "order"
    assert [row.split()[0] for row in rows] == ids[:limit]
    assert ("there are more orders:" in printed.err) is (limit == 3)


async def test_filters_are_passed_to_the_service(
    fake: FakeService, client: ServiceClient, printed: Printed
) -> None:
    """Each filter is passed on; as JSON each order is a line."""
    fake.accept(BODY)
    fake.accept({**BODY, "symbol": "ETHBTC"})

    await list_orders(client, {**NO_FILTERS, "symbol": "ETHBTC"}, as_json=True)

    assert [order["symbol"] for order in printed.documents] == ["ETHBTC"]


async def test_no_orders_give_no_output(client: ServiceClient, printed: Printed) -> None:
    """A message appears only without `--json`."""
    for as_json in (False, True):
        await list_orders(client, NO_FILTERS, as_json=as_json)

    assert printed.both() == ("", "papertape: there are no such orders\n")


async def test_an_open_order_says_why_it_is_not_filled(
    fake: FakeService, client: ServiceClient, printed: Printed
) -> None:
    """The output has the current market."""
    order_id = fake.accept(BODY)["order_id"]

    assert await show_order(client, order_id) == 0

    assert printed.lines[:3] == [
        f"order {order_id}",
        "client order id mine",
        "placed BUY 100 LTCBTC at 0.0026, GTD",
    ]
    assert "so far NEW: 0 of 100 in 0 splits" in printed.lines
    assert "why not filled the best ask is above the limit" in printed.lines
    assert printed.lines[-1] == "market data: connected"


async def test_a_closed_order_says_how_well_it_was_executed(
    fake: FakeService, client: ServiceClient, printed: Printed
) -> None:
    """The output has the outcome."""
    order_id = fake.accept(BODY)["order_id"]
    fake.fill(order_id, "10", "0.00251")
    fake.close(order_id, "EXPIRED", "TIMEOUT")

    await show_order(client, order_id)

    lines = printed.lines
    assert "outcome EXPIRED, TIMEOUT: 10 of 100 at 0.00251 on average in 1 split" in lines
    assert "why not filled it expired at its timeout" in lines
    assert [line for line in lines if line.startswith("execution 0.00009 better than the limit")]
    assert lines[-1].startswith("1 1 0.00251 10")


@pytest.mark.parametrize(("all_splits", "rows"), [(False, 12 + 1), (True, 30)])
async def test_only_the_first_splits_are_shown_without_all(
    fake: FakeService, client: ServiceClient, printed: Printed, *, all_splits: bool, rows: int
) -> None:
    """`--all` reads page by page; otherwise the other splits are counted."""
    fake.page_limit = 20
    order_id = fake.accept(BODY)["order_id"]
    for _ in range(30):
        fake.fill(order_id, "1", "0.00251")

    await show_order(client, order_id, all_splits=all_splits)

    lines = printed.lines
    table = lines[lines.index("split update id price quantity filled at") + 1 :]
    assert len(table) == rows
    assert table[-1].startswith("30 30 " if all_splits else "… 18 more")


async def test_an_order_as_json_is_the_complete_answer(
    fake: FakeService, client: ServiceClient, printed: Printed
) -> None:
    """The document keeps the keys that the client does not read."""
    order_id = fake.accept(BODY)["order_id"]

    await show_order(client, order_id, as_json=True)

    assert printed.documents == [fake.view(fake.orders[order_id])]


async def test_an_unknown_order_is_refused(client: ServiceClient) -> None:
    """The error has the service's message."""
    with pytest.raises(RefusedError, match="no order has this id"):
        await show_order(client, "1")


async def test_a_cancel_may_be_repeated(
    fake: FakeService, client: ServiceClient, printed: Printed
) -> None:
    """A repeated cancel succeeds too."""
    order_id = fake.accept(BODY)["order_id"]

    assert [await cancel_order(client, order_id) for _ in range(2)] == [0, 0]

    expected = [
        f"{order_id} BUY 100 LTCBTC at 0.0026",
        "CANCELED, CANCELED_BY_CLIENT: 0 of 100 in 0 splits",
    ]
    assert printed.lines == expected * 2


@pytest.mark.parametrize("as_json", [True, False])
async def test_an_order_closed_before_the_cancel_is_printed(
    fake: FakeService, client: ServiceClient, printed: Printed, *, as_json: bool
) -> None:
    """The service's message goes to standard error; the exit status is 1."""
    order_id = fake.accept(BODY)["order_id"]
    fake.fill(order_id, "100", "0.00251")

    assert await cancel_order(client, order_id, as_json=as_json) == 1

    assert printed.err == "papertape: the order is closed\n"
    if as_json:
        assert printed.documents[0]["status"] == "FILLED"
    else:
        assert printed.lines == [
            f"{order_id} BUY 100 LTCBTC at 0.0026",
            "FILLED: 100 of 100 at 0.00251 on average in 1 split",
        ]


async def test_another_refusal_of_a_cancel_is_reported(
    fake: FakeService, client: ServiceClient
) -> None:
    """Only a closed order can be printed instead."""
    fake.plan("DELETE /order", PlannedAnswer(answer=problem(404, "order_not_found", "unknown")))

    with pytest.raises(RefusedError, match="unknown"):
        await cancel_order(client, "1")


async def test_all_orders_of_a_symbol_are_canceled(
    fake: FakeService, client: ServiceClient, printed: Printed
) -> None:
    """The orders are listed and counted; orders of other symbols are kept."""
    mine = fake.accept(BODY)["order_id"]
    other = fake.accept({**BODY, "symbol": "ETHBTC"})["order_id"]

    assert await cancel_orders(client, "LTCBTC") == 0

    heading, row, summary = printed.lines
    assert heading.startswith("order symbol")
    assert row.startswith(mine)
    assert summary == "LTCBTC: 1 canceled"
    assert fake.orders[other]["status"] == "NEW"


async def test_all_canceled_as_json_is_one_document(
    client: ServiceClient, printed: Printed
) -> None:
    """The document has the number and the orders."""
    await cancel_orders(client, "LTCBTC", as_json=True)

    assert printed.documents == [{"symbol": "LTCBTC", "canceled_total": 0, "orders": []}]
