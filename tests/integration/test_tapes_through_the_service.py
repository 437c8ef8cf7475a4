"""Real recordings through the running service: it gives the independently computed splits.

The venue plays a tape to an update id and pauses. Orders are posted and seen resting, and the tape
continues. Every scenario has its own owner and therefore its own ledger, so all scenarios run
together. Orders rest longer than the test takes; when the time of an order ends on the tape, the
test cancels it while the tape is paused.
"""

import os
from bisect import bisect_right
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest

from app.access.key_file import add_key
from app.clock import SystemClock
from app.domain.caller import DEFAULT_SCOPES
from app.domain.order import OrderId, Symbol
from app.domain.quote import Quote
from app.simulator.market.tape_market import TapeMarket
from app.simulator.venue.server import SimulatedVenue
from tests.support.connections import http_client
from tests.support.keys import authorization
from tests.support.services import make_settings, started, until_ready
from tests.support.tapes import (
    ExpectedResults,
    PlacedOrder,
    TapeResult,
    find_tape_file,
    read_expected,
    read_quotes,
)
from tests.support.waiting import eventually_true

pytestmark = pytest.mark.no_cover  # the modules' own tests measure; tracing costs too much here

TAPES: Final = ("alts10-20210405", "ethusdt-20240809") + (
    ("majors-20240808",) if os.environ.get("ALL_TAPES") else ()
)
"""``ALL_TAPES=1`` adds the longest tape. It has the same market as ethusdt, and
``tests/end_to_end/test_tapes.py`` compares its replays with the same results."""

SPEED: Final = 10_000.0
"""The tape plays as fast as possible and waits only at pauses."""

Outcome = tuple[Decimal, Decimal, list[tuple[int, Decimal, Decimal]]]
"""Filled quantity, quote quantity, and update id, price and quantity of each split."""

NOTHING_LEFT: Final = {"side_empty", "price_not_reached", "liquidity_taken"}
"""The obstacles of an order that has taken everything the current quote offers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The beginning or end of an order of a scenario, at an instant of the tape."""

    at_ns: int
    begins: bool
    scenario: str
    placed: PlacedOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """The id of an order of the service and the key of its owner."""

    order_id: str
    key: str


@pytest.mark.parametrize("tape", TAPES)
async def test_every_order_gets_exactly_the_expected_splits(tape: str, tmp_path: Path) -> None:
    """Each order of a tape ends with exactly the expected splits."""
    expected = read_expected(tape)
    quotes = read_quotes(tape)
    async with service_on_tape(tape, tmp_path, scenarios=_scenarios(expected)) as run:
        for at_ns, steps in groupby(_steps(expected), key=attrgetter("at_ns")):
            await run.play_until(at_ns, quotes)
            for step in steps:
                await (run.begin(step) if step.begins else run.end(step))
        results = await run.results()

    assert results == {
        (scenario.name, order_id): _without_times(result)
        for scenario in (*expected.isolated, *expected.shared)
        for order_id, result in scenario.expected.items()
    }
    assert sum(len(splits) for _, _, splits in results.values()) > len(results)


class TapeRun:
    """The service, the tape that it receives, and the orders placed."""

    def __init__(self, client: httpx2.AsyncClient, venue: SimulatedVenue) -> None:
        self._client = client
        self._venue = venue
        self._posted: dict[tuple[str, OrderId], Posted] = {}
        self._heard: dict[Symbol, int] = {}
        self._newest: Quote | None = None

    async def play_until(self, at_ns: int, quotes: Mapping[Symbol, Sequence[Quote]]) -> None:
        """Play every quote up to an instant and wait until the service has received them."""
        last = {symbol: _last_until(at_ns, of_symbol) for symbol, of_symbol in quotes.items()}
        newest = max((one for one in last.values() if one), key=attrgetter("received_ns"))
        if newest is not self._newest:
            await self._venue.play_to(newest.update_id, symbol=newest.symbol).reached.wait()
            self._newest = newest
        for symbol, heard in self._heard.items():
            quote = last[symbol]
            assert quote is not None, "the symbol was quoted when its first order came"
            if quote.update_id != heard:
                await self._until_heard(symbol, quote.update_id)
                self._heard[symbol] = quote.update_id

    async def begin(self, step: Step) -> None:
        """Post an order and wait until it has met the current quote."""
        order = step.placed.order
        key = _key_of(step.scenario)
        answer = await self._client.post(
            "/order/limit",
            json={
                "symbol": order.symbol,
                "order_size": str(order.quantity),
                "price": str(order.limit_price),
                "side": order.side,
                "timeout_seconds": 3_600,
            },
            headers=authorization(key) | {"Prefer": "respond-async"},
        )
        assert answer.is_success, answer.text  # 202, or 200 if it is finished by then
        posted = Posted(order_id=answer.json()["order_id"], key=key)
        self._posted[step.scenario, order.order_id] = posted
        update_id = self._venue.current_quote(order.symbol).update_id
        await eventually_true(lambda: self._has_met(posted, update_id))
        self._heard[order.symbol] = update_id

    async def end(self, step: Step) -> None:
        """Cancel the remainder of an order whose time has passed on the tape."""
        posted = self._posted[step.scenario, step.placed.order.order_id]
        answer = await self._client.delete(
            f"/order/{posted.order_id}", headers=authorization(posted.key)
        )
        assert answer.status_code in {httpx2.codes.OK, httpx2.codes.CONFLICT}, answer.text

    async def results(self) -> dict[tuple[str, OrderId], Outcome]:
        """Return the stored outcome of every order."""
        return {name: await self._outcome(posted) for name, posted in self._posted.items()}

    async def _until_heard(self, symbol: Symbol, update_id: int) -> None:
        key = next(iter(self._posted.values())).key

        async def has_heard() -> bool:
            quote = (await self._get(f"/symbols/{symbol}", key))["quote"]
            return quote is not None and bool(quote["update_id"] == update_id)

        await eventually_true(has_heard)

    async def _has_met(self, posted: Posted, update_id: int) -> bool:
        """Return whether an order met the current quote and took what it offers."""
        order = await self._get(f"/order/{posted.order_id}", posted.key)
        if order["status"] == "FILLED":
            return True
        market = order["market"]
        return market["update_id"] == update_id and market["obstacle"] in NOTHING_LEFT

    async def _outcome(self, posted: Posted) -> Outcome:
        order = await self._get(f"/order/{posted.order_id}", posted.key)
        page = await self._get(f"/order/{posted.order_id}/splits?limit=1000", posted.key)
        assert page["next_cursor"] is None, "no order of these tapes has more splits"
        splits = [
            (one["update_id"], Decimal(one["price"]), Decimal(one["quantity"]))
            for one in page["splits"]
        ]
        return Decimal(order["filled_quantity"]), Decimal(order["quote_quantity"]), splits

    async def _get(self, path: str, key: str) -> dict[str, Any]:
        return dict((await self._client.get(path, headers=authorization(key))).json())


@asynccontextmanager
async def service_on_tape(
    tape: str, folder: Path, *, scenarios: Iterable[str]
) -> AsyncIterator[TapeRun]:
    """Run the service on a venue that is paused before the first line of a tape."""
    keys = folder / "keys.json"
    for scenario in scenarios:
        add_key(keys, _key_of(scenario), name=scenario, scopes=DEFAULT_SCOPES)
    market = TapeMarket(find_tape_file(f"{tape}.jsonl.gz"))
    venue = SimulatedVenue(market, clock=SystemClock(), speed=SPEED)
    venue.pause()
    async with venue.serve() as running:
        settings = make_settings(
            folder, stream_url=running.stream_url, rest_url=running.rest_url
        ).model_copy(update={"api_keys_file": str(keys)})
        async with started(settings) as url, http_client(base_url=url) as client:
            await until_ready(client)
            yield TapeRun(client, venue)


def _scenarios(expected: ExpectedResults) -> list[str]:
    return [one.name for one in (*expected.isolated, *expected.shared)]


def _steps(expected: ExpectedResults) -> list[Step]:
    """Return the beginning and end of every order, in the order of the tape."""
    steps = [
        Step(at_ns=at_ns, begins=begins, scenario=scenario.name, placed=placed)
        for scenario in (*expected.isolated, *expected.shared)
        for placed in scenario.orders
        for begins, at_ns in ((True, placed.placed_ns), (False, placed.deadline_ns))
    ]
    return sorted(steps, key=attrgetter("at_ns"))


def _last_until(at_ns: int, quotes: Sequence[Quote]) -> Quote | None:
    position = bisect_right(quotes, at_ns, key=attrgetter("received_ns"))
    return quotes[position - 1] if position else None


def _key_of(scenario: str) -> str:
    return f"pt_{scenario}"


def _without_times(result: TapeResult) -> Outcome:
    splits = [(one.update_id, one.price, one.quantity) for one in result.splits]
    return result.filled_quantity, result.quote_quantity, splits
