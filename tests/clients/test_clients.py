"""Client libraries of other projects get exactly the data of the simulated venue."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from app.simulator.market.scripted_market import ScriptedMarket
from app.simulator.market.venue_quotes import VenueQuote
from app.simulator.venue.server import RunningVenue, SimulatedVenue
from tests.support.venues import scripted_venue
from tests.support.waiting import eventually

ROOT: Final = Path(__file__).parents[2]
SYMBOLS: Final = ("LTCBTC", "ETHUSDT", "BTCUSDT")
ROUNDS: Final = 40
QUOTES: Final = ROUNDS * len(SYMBOLS)
SECONDS_MAX: Final = 60.0
TRICKLE_SECONDS: Final = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientProgram:
    """A program and the properties of its client library.

    Attributes:
        name: The module of the program.
        package: The package that it needs.
        is_one_by_one: It returns only the newest quote, so quotes are sent one by one.
        is_ordered_by_symbol: It has a connection for each symbol, so quotes of different symbols
            have no common order.
        has_models: Its models of REST answers drop unknown fields.
    """

    name: str
    package: str
    is_one_by_one: bool = False
    is_ordered_by_symbol: bool = False
    has_models: bool = False


PROGRAMS: Final = (
    ClientProgram(name="python_binance_combined", package="binance"),
    ClientProgram(name="python_binance_raw", package="binance", is_ordered_by_symbol=True),
    ClientProgram(name="ccxt_pro", package="ccxt", is_one_by_one=True),
    ClientProgram(name="binance_sdk", package="binance_sdk_spot", has_models=True),
    ClientProgram(name="unicorn", package="unicorn_binance_websocket_api"),
)


@pytest.fixture(params=PROGRAMS, ids=lambda program: str(program.name))
def program(request: pytest.FixtureRequest) -> ClientProgram:
    """Return each program whose package is installed."""
    chosen: ClientProgram = request.param
    if find_spec(chosen.package) is None:
        pytest.skip(f"{chosen.package} is not installed; `task clients` runs this with it")
    return chosen


class Told:
    """The output of a running program."""

    def __init__(self) -> None:
        self.quotes: list[list[object]] = []
        self.answers: dict[str, Any] = {}
        self.noise: list[str] = []
        self.ended = asyncio.Event()

    def note(self, line: str) -> None:
        """Parse a line; other output is kept for the message of a failure."""
        try:
            told = json.loads(line)
        except ValueError:
            self.noise.append(line)
            return
        if "quote" in told:
            self.quotes.append(told["quote"])
        else:
            self.answers[told["answer"]] = told["body"]


@contextlib.asynccontextmanager
async def running(program: ClientProgram, venue: RunningVenue) -> AsyncIterator[Told]:
    """Run a program, which must exit with status 0 at the end of the context."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        f"tests.clients.programs.{program.name}",
        venue.stream_url,
        venue.rest_url,
        ",".join(SYMBOLS),
        str(QUOTES),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    told = Told()

    async def read() -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            told.note(line.decode())
        told.ended.set()

    reading = asyncio.create_task(read())
    try:
        async with asyncio.timeout(SECONDS_MAX):
            yield told
            status = await process.wait()
            await reading
        assert status == 0, "".join(told.noise)
    except TimeoutError:
        pytest.fail(f"{program.name} did not get on: {len(told.quotes)} quotes; {told.noise}")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await asyncio.wait([reading])


def push(market: ScriptedMarket, number: int) -> VenueQuote:
    """Push a new quote of the next symbol."""
    return market.push(
        SYMBOLS[number % len(SYMBOLS)],
        bid=(f"0.{1000 + number}", f"{number + 1}.5"),
        ask=(f"0.{1001 + number}", f"{2 * number + 1}"),
    )


async def all_listen(venue: SimulatedVenue) -> None:
    """Wait until every symbol is subscribed."""
    await eventually(
        lambda: all(venue.listeners(symbol) for symbol in SYMBOLS), seconds_max=SECONDS_MAX
    )


def wire(quote: VenueQuote) -> list[object]:
    """Return a quote in the form of the programs' output."""
    sides = (quote.bid_price, quote.bid_quantity, quote.ask_price, quote.ask_quantity)
    return [quote.update_id, quote.symbol, *sides]


async def shown(venue: RunningVenue) -> dict[str, Any]:
    """Return the answers of the REST API, requested without a client library."""
    async with httpx2.AsyncClient(base_url=f"{venue.rest_url}/api/v3") as rest:

        async def get(path: str) -> object:
            return (await rest.get(path)).json()

        answers = {"ping": await get("/ping"), "exchangeInfo": await get("/exchangeInfo")}
        for symbol in SYMBOLS:
            answers[f"depth {symbol}"] = await get(f"/depth?symbol={symbol}&limit=5")
            answers[f"bookTicker {symbol}"] = await get(f"/ticker/bookTicker?symbol={symbol}")
        return answers


def as_listed(answer: dict[str, Any]) -> list[tuple[object, ...]]:
    """Return the compared fields of the symbols of exchangeInfo."""
    return [
        (
            one["symbol"],
            one["status"],
            one["baseAsset"],
            one["quoteAsset"],
            [(each["filterType"], each.get("tickSize"), each.get("stepSize")) for each in filters],
        )
        for one in answer["symbols"]
        for filters in [one["filters"]]
    ]


async def quote_to_the_end(
    market: ScriptedMarket, program: ClientProgram, told: Told
) -> list[VenueQuote]:
    """Push all quotes and return them, then continue until the program has exited.

    One of the libraries exits only after another frame.
    """
    sent = []
    for number in range(QUOTES):
        sent.append(push(market, number))
        if program.is_one_by_one:
            await eventually(_has(told, number + 1), seconds_max=SECONDS_MAX)
    while not told.ended.is_set():
        push(market, QUOTES)
        await asyncio.sleep(TRICKLE_SECONDS)
    return sent


def _has(told: Told, count: int) -> Callable[[], bool]:
    return lambda: len(told.quotes) >= count


async def test_a_client_gets_what_the_venue_sends_and_shows(program: ClientProgram) -> None:
    """Quotes and REST answers are equal to the last digit and in order, within the venue's limits.

    The expected answers are requested without a client library.
    """
    async with scripted_venue(*SYMBOLS) as (market, venue, at):
        opening = [push(market, number) for number in range(len(SYMBOLS))]
        expected = await shown(at)
        async with running(program, at) as told:
            await all_listen(venue)
            sent = await quote_to_the_end(market, program, told)
        violations = list(venue.observations.violations)

    received, quotes = told.quotes, [wire(quote) for quote in sent]
    if program.is_ordered_by_symbol:
        received, quotes = (
            sorted(one, key=lambda quote: str(quote[1])) for one in (received, quotes)
        )
    assert received == quotes
    for quote in opening:
        depth = told.answers[f"depth {quote.symbol}"]
        assert depth["lastUpdateId"] == quote.update_id
        assert depth["bids"][0] == [quote.bid_price, quote.bid_quantity]
        assert depth["asks"][0] == [quote.ask_price, quote.ask_quantity]
    info, expected_info = told.answers.pop("exchangeInfo"), expected.pop("exchangeInfo")
    assert told.answers.pop("time")["serverTime"] > 1_600_000_000_000
    if program.has_models:
        assert as_listed(info) == as_listed(expected_info)
    else:
        assert info["symbols"] == expected_info["symbols"]
    assert told.answers == expected
    assert violations == []
