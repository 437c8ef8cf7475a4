"""Tests of ``app.cli.client.commands``."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from tests.support.fake_service import FakeService, fake_service
from tests.unit.cli.command_runner import papertape, refused


@pytest.fixture
def served() -> Iterator[FakeService]:
    """A service in its own thread, because a command runs its own event loop in this one."""
    started: list[FakeService] = []
    is_up, loop = threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        async with fake_service() as service:
            service.on_accepted = lambda order_id: service.fill(order_id, "100", "0.00251")
            started.append(service)
            is_up.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    assert is_up.wait(timeout=30)
    try:
        yield started[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


def test_the_documented_order_is_placed_and_fulfilled(served: FakeService) -> None:
    """`papertape order LTCBTC 100 --price 0.0026` uses the service of the environment."""
    result = papertape("order LTCBTC 100 --price 0.0026", env={"PAPERTAPE_URL": served.url})

    assert result.exit_code == 0, result.output
    assert "FILLED: 100 of 100 at 0.00251 on average in 1 split" in result.output
    (body,) = served.bodies
    assert len(body.pop("client_order_id")) == 36
    assert body == {
        "symbol": "LTCBTC",
        "order_size": "100",
        "price": "0.0026",
        "side": "BUY",
        "time_in_force": "GTD",
    }


def test_every_part_of_an_order_has_an_option(served: FakeService) -> None:
    """Lower case is accepted; the service checks the values."""
    served.on_accepted = lambda order_id: served.close(order_id, "EXPIRED", "IOC_REMAINDER")
    options = "--price 0.0026 --side sell --tif ioc --timeout 2.5 --client-order-id mine"

    result = papertape(f"order LTCBTC 100 {options} --watch --url", served.url)

    assert result.exit_code == 1
    assert "EXPIRED, IOC_REMAINDER" in result.output
    assert served.bodies == [
        {
            "symbol": "LTCBTC",
            "order_size": "100",
            "price": "0.0026",
            "side": "SELL",
            "time_in_force": "IOC",
            "timeout_seconds": "2.5",
            "client_order_id": "mine",
        }
    ]


def test_orders_are_placed_listed_shown_and_canceled(served: FakeService) -> None:
    """Each command reaches the service."""
    served.on_accepted = lambda _order_id: None
    url = {"PAPERTAPE_URL": served.url}
    placed = papertape("order LTCBTC 5 --price 1 --async", env=url)
    (order_id,) = served.orders
    assert (placed.exit_code, order_id in placed.output) == (0, True)

    for command in (
        "orders --symbol LTCBTC --status new --limit 5",
        "orders --all --json",
        f"show {order_id}",
        f"cancel {order_id}",
        "cancel --all --symbol LTCBTC",
    ):
        result = papertape(command, env=url)
        assert result.exit_code == 0, result.output

    assert served.orders[order_id]["status"] == "CANCELED"


def test_the_key_is_taken_from_the_environment(served: FakeService) -> None:
    """Without the key the service refuses; the command prints one line and exits with 1."""
    served.key = "secret"
    line = refused(papertape("orders --url", served.url))
    allowed = papertape("orders --url", served.url, env={"PAPERTAPE_KEY": "secret"})

    assert line == "papertape: the service requires a key: use --key or set PAPERTAPE_KEY"
    assert allowed.exit_code == 0


def test_a_refused_position_ends_watching(served: FakeService) -> None:
    """Only the service's message is printed."""
    line = refused(papertape("watch 1 --symbol LTCBTC --after p9 --url", served.url))

    assert line == "papertape: said position_beyond_head"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("order LTCBTC 100", "Missing option '--price'"),
        ("order LTCBTC --price 1", "Missing argument 'SIZE'"),
        ("order LTCBTC 1 --price 1 --side hold", "'hold' is not one of buy, sell"),
        ("order LTCBTC 1 --price 1 --tif gtc", "'gtc' is not one of gtd, ioc, fok"),
        ("order LTCBTC abc --price 1", "SIZE must be a plain number such as 100 or 0.001"),
        ("order LTCBTC 1 --price 1,5", "--price must be a plain number such as 100 or 0.001"),
        ("order LTCBTC 1 --price 1 --timeout 0", "--timeout must be above zero"),
        ("orders --limit 0", "Invalid value for '--limit'"),
        ("orders --status open", "'open' is not one of new, partially_filled, filled, canceled"),
        ("orders --url 127.0.0.1:8080", "the URL of a service looks like http://127.0.0.1:8080"),
        ("orders --key schlüssel", "a key is ASCII without spaces and control characters"),
        ("show", "Missing argument 'ID'"),
        ("cancel", "give the ID of an order, or both --all and --symbol SYMBOL"),
        ("cancel 1 --all", "give the ID of an order, or both --all and --symbol SYMBOL"),
        ("cancel --all", "give the ID of an order, or both --all and --symbol SYMBOL"),
        ("cancel --symbol LTCBTC", "give the ID of an order, or both --all and --symbol SYMBOL"),
        ("cancel 1 --symbol LTCBTC", "give the ID of an order, or both --all and --symbol SYMBOL"),
        ("watch --after", "Option '--after' requires an argument"),
    ],
)
def test_a_mistake_is_a_usage_error_in_words_of_the_command(command: str, said: str) -> None:
    """No request is sent, and the message does not use words of the API or of a library."""
    result = papertape(command, env={"COLUMNS": "200"})

    assert result.exit_code == 2
    assert said in result.output
    assert "Value error" not in result.output


@pytest.mark.parametrize(
    "command",
    [
        "order LTCBTC 1 --price 1",
        "orders",
        "show 1",
        "cancel 1",
        "cancel --all --symbol A",
        "watch",
    ],
)
def test_an_unreachable_service_is_one_line(command: str) -> None:
    """The line names the address and the solution."""
    url = "http://127.0.0.1:1"

    line = refused(papertape(command, "--url", url))

    assert line.startswith(f"papertape: cannot reach a service at {url}")


def test_a_key_is_not_shown_by_the_help() -> None:
    """A key in the environment must not appear in the help."""
    result = papertape("orders --help", env={"PAPERTAPE_KEY": "secret"})

    assert result.exit_code == 0
    assert "secret" not in result.output
