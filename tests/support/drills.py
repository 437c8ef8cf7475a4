"""A drill: one symbol before, during and after a fault of the venue, on the whole service.

The script is the same for every fault that ends the connection, so each is checked for the same
promises: nothing is filled on data from before the fault, no lot is sold twice, each order has its
reason, the cause is counted, and the orders continue without help.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from app.auditing.audit import audit
from app.simulator.venue.server import SimulatedVenue
from tests.support.services import ServiceUnderTest
from tests.support.waiting import eventually_true

SYMBOL: Final = "LTCBTC"
LIMIT: Final = "0.0026"
FAR: Final = "0.0001"
"""A limit to buy at that no market reaches."""

LOOK_SECONDS: Final = 0.1
"""The pause between two looks at the service. It is long because many drills run at once."""

RUNGS: Final = 4
RUNG_FACTOR: Final = 4
"""The number of orders that expire one after another, and the factor between their times."""

Act = Callable[[SimulatedVenue], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault of the venue.

    Attributes:
        begins: Starts the fault.
        counters: The counters of the feed that must grow during it.
        seconds: How long it goes unnoticed on an idle machine. No outcome depends on it: it only
            keeps the drill short.
    """

    begins: Act
    counters: tuple[str, ...]
    seconds: float = 0.5


until = partial(eventually_true, poll_seconds=LOOK_SECONDS)
"""Wait for a condition that is read from the service."""


async def drill(service: ServiceUnderTest, fault: Fault, folder: Path) -> None:
    """Start and end a fault while orders rest, and check every order.

    The fault ends only after everything that must happen during it: the feed has counted it, and
    orders have expired. So the result does not depend on the speed of the machine.
    """
    before = [await count_of(service, one) for one in fault.counters]
    service.market.push(SYMBOL, bid=("0.0024", "7"), ask=("0.0025", "5"))
    buying = asyncio.create_task(buy(service, 20))
    await until_filled(service, "5")
    ending = [
        await service.place(
            symbol=SYMBOL,
            order_size=1,
            price=FAR,
            timeout_seconds=(fault.seconds + 1) * RUNG_FACTOR**rung,
        )
        for rung in range(RUNGS)
    ]

    fault.begins(service.venue.faults)
    await until(lambda: is_interrupted(service))
    # An order that ended before the outage may still be stored as open.
    seen_at = datetime.now(UTC)
    still_open = {
        one["order_id"]
        for one in await service.open_orders()
        if datetime.fromisoformat(one["expires_at"]) > seen_at
    }
    # The bid of 0.0024 is gone, but the service cannot know it.
    service.market.push(SYMBOL, bid=("0.0022", "7"), ask=("0.0025", "9"))
    sell = {"symbol": SYMBOL, "side": "SELL", "price": "0.0023"}
    unheard = asyncio.create_task(service.order(**sell, order_size="1", timeout_seconds=0.2))
    selling = asyncio.create_task(service.order(**sell, order_size="3", timeout_seconds=3_600))

    assert reason_of(await unheard) == ("EXPIRED", "NO_MARKET_DATA", "0")
    next_to_end = next(one for one in ending if one in still_open)
    await until(lambda: _is_closed(service, next_to_end))
    ended = await service.stored(next_to_end)
    assert reason_of(ended) == ("EXPIRED", "TIMEOUT_DURING_OUTAGE", "0")
    await until(lambda: _have_grown(service, fault.counters, before))
    await _end_faults(service.venue.faults)
    await until_filled(service, "9")
    service.market.push(SYMBOL, bid=("0.0021", "7"), ask=("0.0025", "9"))
    service.market.push(SYMBOL, bid=("0.0023", "3"), ask=("0.00251", "11"))

    assert splits_of(await buying) == [("0.0025", "5"), ("0.0025", "4"), ("0.00251", "11")]
    assert splits_of(await selling) == [("0.0023", "3")]
    await check_books(folder)


async def _end_faults(venue: SimulatedVenue) -> None:
    if venue.is_vanished:
        await venue.reappear()
    venue.clear()


async def check_books(folder: Path) -> None:
    """Audit the database; for example, no lot was sold twice."""
    assert (await audit(str(folder / "service.db"))).is_sound


async def count_of(service: ServiceUnderTest, counter: str) -> int:
    """Return one of the feed's counters from ``/readyz``, by group where it has one."""
    feed = (await service.ready())["feed"]
    group, _, kind = counter.partition("_")
    counts = feed[group] if group in {"lost", "failed", "dropped"} else feed["counters"]
    return int(counts.get(kind if counts is not feed["counters"] else counter, 0))


async def _have_grown(
    service: ServiceUnderTest, counters: Sequence[str], before: Sequence[int]
) -> bool:
    now = [await count_of(service, one) for one in counters]
    return all(later > earlier for earlier, later in zip(before, now, strict=True))


async def _is_closed(service: ServiceUnderTest, order_id: str) -> bool:
    return (await service.stored(order_id))["closed_at"] is not None


async def is_interrupted(service: ServiceUnderTest) -> bool:
    """Return whether the symbol has no current quote."""
    return await service.quote(SYMBOL) is None


async def has_met(service: ServiceUnderTest, order_id: str, update_id: int) -> bool:
    """Return whether an open order has met this quote."""
    market = (await service.stored(order_id))["market"]
    return market is not None and bool(market["update_id"] == update_id)


async def until_filled(service: ServiceUnderTest, quantity: str) -> None:
    """Wait until this quantity of an open order is filled."""

    async def is_filled() -> bool:
        return any(one["filled_quantity"] == quantity for one in await service.open_orders())

    await until(is_filled)


def reason_of(order: dict[str, Any]) -> tuple[str, str | None, str]:
    """Return status, reason and filled quantity of an order."""
    return order["status"], order["reason"], order["filled_quantity"]


def splits_of(order: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the price and quantity of each split."""
    return [(one["price"], one["quantity"]) for one in order["splits"]]


async def buy(service: ServiceUnderTest, quantity: int, price: str = LIMIT) -> dict[str, Any]:
    """Post an order to buy and return its answer."""
    return await service.order(
        symbol=SYMBOL, order_size=quantity, price=price, timeout_seconds=3_600
    )
