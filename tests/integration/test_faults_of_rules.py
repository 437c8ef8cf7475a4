"""exchangeInfo fails in every known way: the last good rules stay, and the cause is reported."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Final

import httpx2
import pytest

from app import composition
from app.clock import SystemClock
from app.domain.order import Symbol
from app.domain.rules import TradingRules
from app.market.rest import RestLimits, VenueRest
from app.market.rules_book import RulesTiming, VenueRulesBook
from app.ports import StoredRules
from app.simulator.faults.venue_faults import DELAY_SECONDS_MAX
from app.simulator.market.scripted_market import ScriptedMarket
from app.simulator.venue.server import SimulatedVenue
from tests.support.connections import http_client
from tests.support.scrape import scrape
from tests.support.services import make_settings, scripted_venue, started, until_ready
from tests.support.side_by_side import run_side_by_side
from tests.support.waiting import WAIT_SECONDS_MAX, eventually, eventually_true

LTCBTC: Final = Symbol("LTCBTC")
PATH: Final = "/api/v3/exchangeInfo"
REFUSALS: Final = (403, 418, 429, 451, 500, 502, 503)
OBEYED: Final = (418, 429)


class MemoryStore:
    """A store of rules (port ``RulesStore``) in memory."""

    def __init__(self) -> None:
        self.stored: StoredRules | None = None

    async def load_trading_rules(self) -> StoredRules | None:
        """Return the saved rules."""
        return self.stored

    async def save_trading_rules(self, stored: StoredRules) -> None:
        """Save the rules."""
        self.stored = stored


@dataclass(frozen=True, slots=True, kw_only=True)
class BookOnVenue:
    """A rules book with short intervals, and its venue."""

    book: VenueRulesBook
    venue: SimulatedVenue
    store: MemoryStore

    @property
    def rules(self) -> TradingRules | None:
        """Return the current rules of LTCBTC."""
        return self.book.find(LTCBTC)


@asynccontextmanager
async def rules_on_venue(
    *, answer_seconds_max: float = WAIT_SECONDS_MAX
) -> AsyncIterator[BookOnVenue]:
    """Run a rules book and yield it once it has rules of the venue."""
    venue = SimulatedVenue(ScriptedMarket([LTCBTC, "ETHBTC"]), clock=SystemClock())
    store = MemoryStore()
    async with venue.serve() as running:
        limits = RestLimits(weight_max=1_000_000, exchange_info_seconds_max=answer_seconds_max)
        rest = VenueRest(running.rest_url, clock=SystemClock(), limits=limits)
        book = VenueRulesBook(
            rest=rest,
            store=store,
            clock=SystemClock(),
            random=random.Random(1),
            timing=RulesTiming(
                refresh_seconds=0.05, retry_seconds_first=0.05, retry_seconds_max=0.1
            ),
        )
        task = asyncio.create_task(book.run())
        await eventually(lambda: book.state().source == "venue")
        yield BookOnVenue(book=book, venue=venue, store=store)
        task.cancel()
        await asyncio.wait({task})
        await rest.aclose()


@pytest.mark.parametrize("status", REFUSALS)
async def test_a_refusal_keeps_the_last_good_copy_and_is_told(status: int) -> None:
    """A failure keeps the last good rules, and a later success clears the reported cause."""
    async with rules_on_venue() as on:
        good = on.rules
        on.venue.rest_failure(status, retry_after=1 if status in OBEYED else None, path=PATH)
        await eventually(lambda: on.book.state().cause)
        cause = on.book.state().cause
        kept = on.rules
        on.venue.clear_rest_failure()
        await eventually(lambda: on.book.state().cause is None)

        assert kept == good
        assert cause is not None
        assert on.book.state().failures > 0
        assert ("wait" if status in OBEYED else str(status)) in cause


@pytest.mark.parametrize("status", OBEYED)
async def test_who_is_told_to_wait_waits(status: int) -> None:
    """No request is sent before Retry-After has passed."""
    async with rules_on_venue() as on:
        on.venue.rest_failure(status, retry_after=1, path=PATH, times=1)
        await eventually(lambda: on.book.state().cause)
        await eventually(lambda: on.book.state().cause is None)

        requests = on.venue.observations.requests_of(PATH)
        refused = next(index for index, one in enumerate(requests) if one.status == status)
        assert requests[refused + 1].received_at - requests[refused].received_at >= 1


async def test_a_page_instead_of_json_is_no_rules() -> None:
    """An HTML page with status 200 is reported and keeps the last good rules."""
    async with rules_on_venue() as on:
        on.venue.html(path=PATH)
        await eventually(lambda: on.book.state().cause)

        assert on.rules is not None
        assert "exchangeInfo" in str(on.book.state().cause)


async def test_a_venue_that_takes_too_long_is_given_up_and_asked_again() -> None:
    """A slow answer is a failure after the deadline, and the request is retried."""
    async with rules_on_venue(answer_seconds_max=1) as on:
        on.venue.slow_rest(DELAY_SECONDS_MAX, path=PATH)
        await eventually(lambda: on.book.state().cause)
        cause = str(on.book.state().cause)
        on.venue.clear_rest_failure()
        await eventually(lambda: on.book.state().cause is None)

        assert "no answer within 1 s" in cause


async def test_changed_rules_are_in_use_and_stored_soon() -> None:
    """Changed rules are used and stored."""
    async with rules_on_venue() as on:
        on.venue.change_rules(LTCBTC, tick_size=Decimal("0.01"))
        await eventually(lambda: on.rules is not None and on.rules.tick_size == Decimal("0.01"))

        await eventually(lambda: on.store.stored is not None and on.rules in on.store.stored.rules)


async def test_a_delisted_symbol_is_unknown_from_then_on() -> None:
    """A delisted symbol becomes unknown, and a relisted one known again."""
    async with rules_on_venue() as on:
        on.venue.set_status(LTCBTC, "BREAK")
        await eventually(lambda: on.rules is not None and on.rules.status == "BREAK")
        on.venue.remove_symbol(LTCBTC)
        await eventually(lambda: on.rules is None)
        on.venue.restore_symbol(LTCBTC)
        await eventually(lambda: on.rules is not None and on.rules.status == "TRADING")


def _refuse_rules(venue: SimulatedVenue, *, status: int) -> None:
    venue.rest_failure(status, retry_after=1 if status in OBEYED else None, path=PATH)


AT_THE_START: Final[dict[str, tuple[Callable[[SimulatedVenue], None], str]]] = {
    "slow": (lambda venue: venue.slow_rest(DELAY_SECONDS_MAX, path=PATH), ""),
    "down": (lambda venue: venue.vanish(DELAY_SECONDS_MAX), "exchangeInfo"),
    "HTML": (lambda venue: venue.html(path=PATH), "not an exchangeInfo body"),
    **{
        str(status): (
            partial(_refuse_rules, status=status),
            "wait" if status in OBEYED else str(status),
        )
        for status in REFUSALS
    },
}
"""The failure of exchangeInfo at the second start, and a text of the reported cause."""


async def test_orders_are_taken_and_filled_whatever_exchange_info_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restart uses the stored rules, reports the cause, fills orders and recovers."""
    limits = RestLimits(exchange_info_seconds_max=10)  # as long as one row waits for its recovery
    monkeypatch.setattr(composition, "VenueRest", partial(VenueRest, limits=limits))
    drills = {
        name: partial(_start_once_more, fail=fail, cause=cause)
        for name, (fail, cause) in AT_THE_START.items()
    }
    found = await run_side_by_side(drills, tmp_path)
    assert found == dict.fromkeys(drills)


async def _start_once_more(
    folder: Path, *, fail: Callable[[SimulatedVenue], None], cause: str
) -> None:
    """Run the service once to store its rules, then again with the fault."""
    order = {"symbol": "LTCBTC", "order_size": "3", "timeout_seconds": 3_600}
    async with scripted_venue() as venue:
        venue.market.push("LTCBTC", bid=("0.0024", "7"), ask=("0.0025", "5"))
        settings = make_settings(folder, stream_url=venue.stream_url, rest_url=venue.rest_url)
        async with started(settings) as first, http_client(base_url=first) as client:
            await eventually_true(lambda: _rules_are_from(client, "venue"))
        fail(venue.faults)
        async with (
            started(settings) as url,
            http_client(base_url=url) as client,
        ):
            await until_ready(client)
            if cause:
                await eventually_true(lambda: _tells(client, cause))
            before = (await client.get("/readyz")).json()["rules"]
            refused = await client.post("/order/limit", json=order | {"price": "0.00000000001"})
            taken = await client.post(
                "/order/limit",
                json=order | {"price": "0.0026"},
                headers={"Prefer": "respond-async"},
            )
            if venue.faults.is_vanished:  # then its streams are gone, too
                await venue.faults.reappear()
            await eventually_true(lambda: _is_filled(client, taken.json()["order_id"]))
            figures = await scrape(client)
            venue.faults.clear_rest_failure()
            await eventually_true(lambda: _rules_are_from(client, "venue"))
            after = (await client.get("/readyz")).json()["rules"]

    assert before["source"] == "stored"
    assert refused.status_code == httpx2.codes.UNPROCESSABLE_CONTENT
    assert after["cause"] is None
    if cause:
        assert figures["rules_refresh_failures_total"] > 0


async def _is_filled(client: httpx2.AsyncClient, order_id: str) -> bool:
    return bool((await client.get(f"/order/{order_id}")).json()["status"] == "FILLED")


async def _tells(client: httpx2.AsyncClient, cause: str) -> bool:
    return cause in str((await client.get("/readyz")).json()["rules"]["cause"])


async def _rules_are_from(client: httpx2.AsyncClient, source: str) -> bool:
    rules = (await client.get("/readyz")).json()["rules"]
    return bool(rules["source"] == source)


async def test_rules_that_changed_meanwhile_decide_after_the_start(tmp_path: Path) -> None:
    """An order that only the stored rules allow is refused by the venue's newer rules."""
    order = {"symbol": "LTCBTC", "order_size": "1", "price": "0.00255", "timeout_seconds": 0.2}
    async with scripted_venue() as venue:
        settings = make_settings(tmp_path, stream_url=venue.stream_url, rest_url=venue.rest_url)
        for is_changed in (False, True):
            if is_changed:
                venue.faults.change_rules(LTCBTC, tick_size=Decimal("0.0001"))
            async with (
                started(settings) as url,
                http_client(base_url=url) as client,
            ):
                await eventually_true(partial(_rules_are_from, client, "venue"))
                answer = await client.post("/order/limit", json=order)
                assert answer.is_success is not is_changed, answer.text
                assert ("PRICE_FILTER" in answer.text) is is_changed


async def test_the_stored_copy_serves_a_start_while_the_venue_is_down(tmp_path: Path) -> None:
    """While the venue is down, a service starts with stored rules and names their source."""
    order = {"symbol": "LTCBTC", "order_size": "1", "price": "0.0026", "timeout_seconds": 0.2}
    async with scripted_venue() as venue:
        settings = make_settings(tmp_path, stream_url=venue.stream_url, rest_url=venue.rest_url)
        for is_down in (False, True):
            if is_down:
                venue.faults.rest_failure(503)
            async with (
                started(settings) as url,
                http_client(base_url=url) as client,
            ):
                await until_ready(client)
                answer = await client.post("/order/limit", json=order)
                if is_down:
                    await eventually_true(partial(_tells, client, "503"))
                ready = (await client.get("/readyz")).json()
                assert answer.status_code == httpx2.codes.OK, answer.text
                assert ready["rules"]["source"] == ("stored" if is_down else "venue")
                if is_down:
                    assert "503" in ready["rules"]["cause"]
