"""The client commands, with the real service and the simulated venue.

Both start once. A test that sees more than its own order uses a separate symbol.
"""

import contextlib
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.processes import papertape, simulated_venue
from tests.support.waiting import eventually


def far(symbol: str) -> tuple[str, ...]:
    """Return the arguments of an order that no quote reaches."""
    return (symbol, "10", "--price", "0.0001")


@contextlib.asynccontextmanager
async def service_and_venue(folder: Path, **more: str) -> AsyncIterator[str]:
    """Run service and venue as processes with the settings ``more``; yield the service's URL."""
    async with (
        simulated_venue(folder) as (_, settings),
        papertape(folder, "serve", name="service", **settings, **more) as service,
        service.ready_client(),
    ):
        yield await service.url()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """Yield the URL of the service."""
    async with service_and_venue(tmp_path_factory.mktemp("service")) as address:
        yield address


async def run(folder: Path, url: str, *arguments: str, key: str = "") -> tuple[int, list[str]]:
    """Run a command to its end; return its exit status and the lines of both its outputs."""
    settings = {"PAPERTAPE_URL": url, "PAPERTAPE_KEY": key}
    async with papertape(folder, *arguments, name="client", **settings) as command:
        return await command.wait(), command.log.splitlines()


async def test_an_order_is_placed_and_fulfilled(tmp_path: Path, url: str) -> None:
    """The output is a summary and a table of splits, without control sequences on a pipe."""
    status, lines = await run(tmp_path, url, "order", "LTCBTC", "100", "--price", "0.003")

    assert status == 0, lines
    assert lines[0].endswith("BUY 100 LTCBTC at 0.003")
    assert lines[1].startswith("FILLED: 100 of 100 at 0.00")
    assert "better than the limit" in lines[2]
    assert lines[3].split() == ["split", "update", "id", "price", "quantity", "filled", "at"]
    assert "\x1b" not in "".join(lines)


async def test_each_event_of_an_order_is_printed_as_json(tmp_path: Path, url: str) -> None:
    """The output has every event without a gap, and then the order."""
    status, lines = await run(
        tmp_path, url, *["order", "LTCBTC", "300", "--price", "0.003", "--watch", "--json"]
    )

    assert status == 0, lines
    *events, order = [json.loads(line) for line in lines]
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert events[-1]["status"] == order["status"] == "FILLED"
    assert order["splits_total"] == len(events) - 1


async def test_an_order_that_is_not_fulfilled_fails(tmp_path: Path, url: str) -> None:
    """The exit status is 1, so a script can see it."""
    status, lines = await run(tmp_path, url, "order", *far("LTCBTC"), "--tif", "ioc")

    assert status == 1
    assert "EXPIRED, IOC_REMAINDER: 0 of 10 in 0 splits" in lines


async def test_an_order_is_listed_shown_and_canceled(tmp_path: Path, url: str) -> None:
    """The other commands find the order that --async placed."""
    status, lines = await run(tmp_path, url, "order", *far("ETHBTC"), "--async", "--json")
    order_id = json.loads(lines[0])["order_id"]
    assert status == 0

    status, lines = await run(tmp_path, url, "orders", "--symbol", "ETHBTC", "--status", "new")
    assert (status, lines[1].split()[0]) == (0, order_id)

    status, lines = await run(tmp_path, url, "show", order_id)
    assert status == 0
    assert "why not filled   the best ask is above the limit" in lines

    for _ in range(2):
        status, lines = await run(tmp_path, url, "cancel", order_id)
        assert (status, lines[-1]) == (0, "CANCELED, CANCELED_BY_CLIENT: 0 of 10 in 0 splits")

    status, lines = await run(tmp_path, url, "cancel", "--all", "--symbol", "ETHBTC")
    assert (status, lines) == (0, ["ETHBTC: 0 canceled"])


async def test_canceling_a_fulfilled_order_shows_it_and_fails(tmp_path: Path, url: str) -> None:
    """The cancel fails, and the output shows the filled order."""
    _, lines = await run(tmp_path, url, *["order", "LTCBTC", "5", "--price", "0.003", "--json"])
    order_id = json.loads(lines[0])["order_id"]

    status, lines = await run(tmp_path, url, "cancel", order_id)

    assert (status, len(lines)) == (1, 3)
    assert lines[0] == "papertape: the order is FILLED and cannot be canceled any more"
    assert lines[-1].startswith("FILLED: 5 of 5")


async def test_the_same_client_order_id_places_one_order(tmp_path: Path, url: str) -> None:
    """The second command shows the order of the first one."""
    command = ("order", *far("LTCBTC"), "--client-order-id", "mine", "--async")
    _, first = await run(tmp_path, url, *command)

    status, second = await run(tmp_path, url, *command)

    assert status == 0
    assert second[0] == (
        "papertape: the client order id mine was used before; this is the earlier order"
    )
    assert second[2] == first[1]


async def test_a_refused_order_is_one_block(tmp_path: Path, url: str) -> None:
    """The message lists each field with its problem."""
    status, lines = await run(
        tmp_path,
        url,
        *["order", "LTCBTC", f"1.{10**12}", "--price", "1" * 17, "--timeout", "0.0001"],
    )

    assert status == 1
    assert lines[0] == "papertape: 3 problems found"
    assert {line.split(":")[0] for line in lines[1:]} == {
        "  order_size",
        "  price",
        "  timeout_seconds",
    }


async def test_a_key_opens_what_it_is_good_for(tmp_path: Path) -> None:
    """A key is used for requests and the stream; a write-only key still gets its order's id."""
    keys = {}
    for name, scopes in (("both", ()), ("writer", ("--scope", "orders:write"))):
        create = ("keys", "create", name, *scopes, "--file", "keys.json")
        _, lines = await run(tmp_path, "", *create)
        keys[name] = next(line for line in lines if line.startswith("pt_"))
    order = ("order", "LTCBTC", "100", "--price", "0.003")
    async with service_and_venue(tmp_path, API_KEYS_FILE=str(tmp_path / "keys.json")) as url:
        assert (await run(tmp_path, url, *order, "--watch", key=keys["both"]))[0] == 0

        status, lines = await run(tmp_path, url, *order)
        assert (status, len(lines)) == (1, 1)

        status, lines = await run(tmp_path, url, *order, key=keys["writer"])
        assert status == 1
        assert lines[0] == "papertape: the order was accepted"
        assert "papertape show" in lines[1]

        for arguments in (("orders",), ("watch",)):
            status, lines = await run(tmp_path, url, *arguments, key="pt_wrong")
            assert (status, len(lines)) == (1, 1), lines


async def test_an_interrupt_leaves_the_order_alone(tmp_path: Path, url: str) -> None:
    """The exit status is 130, and the order stays open."""
    async with (
        papertape(tmp_path, "watch", name="watch", PAPERTAPE_URL=url) as watch,
        papertape(
            tmp_path, "order", *far("BNBBTC"), "--watch", name="interrupted", PAPERTAPE_URL=url
        ) as command,
    ):
        await eventually(lambda: "#1  NEW" in command.log)
        assert await command.interrupt() == 130
        assert await watch.interrupt() == 130

    assert "papertape: the order is not canceled" in command.log
    assert "Traceback" not in command.log + watch.log
    shown = ("orders", "--symbol", "BNBBTC", "--status", "new", "--json")
    status, lines = await run(tmp_path, url, *shown)
    assert (status, len(lines)) == (0, 1)


async def test_watching_resumes_where_it_ended(tmp_path: Path, url: str) -> None:
    """The position that is printed at the end resumes at the next event."""
    watching = ("watch", "--symbol", "SOLBTC", "--after", "beginning")
    await run(tmp_path, url, "order", *far("SOLBTC"), "--async")
    async with papertape(tmp_path, *watching, name="first", PAPERTAPE_URL=url) as first:
        await eventually(lambda: "#1  NEW" in first.log)
        assert await first.interrupt() == 130
    hint = re.search(r"papertape (watch .*)", first.log.splitlines()[-1])
    assert hint is not None
    await run(tmp_path, url, "cancel", "--all", "--symbol", "SOLBTC")

    async with papertape(tmp_path, *hint[1].split(), "--json", name="second") as second:
        await eventually(lambda: second.log.count("\n"))
        assert await second.interrupt() == 130

    event = json.loads(second.log.splitlines()[0])
    assert (event["sequence"], event["status"]) == (2, "CANCELED")
