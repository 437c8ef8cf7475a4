"""A drill: one symbol before, during and after a fault of the venue, on the whole service.

The script is the same for every fault that takes the connection, so that each is held to the same
promises: nothing is filled on data from before the fault, no lot is sold twice, each order says
why it ended, the cause is counted, and the orders go on by themselves.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from app.auditing.audit import audit
from tests.support.services import ServiceUnderTest
from tests.support.waiting import eventually_true

SYMBOL: Final = "LTCBTC"
LIMIT: Final = "0.0026"
FAR: Final = "0.0001"
"""A limit to buy at that no market reaches."""

LOOK_SECONDS: Final = 0.1
"""How often a drill asks how things are: many run beside one another."""

RUNGS: Final = 4
RUNG_FACTOR: Final = 4
"""How many orders end one after another, each so many times later than the one before."""

Act = Callable[[ServiceUnderTest], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """How the venue fails, how it comes back, and the counters of the feed that must tell of it.

    ``seconds`` is how long it goes unnoticed on a machine with nothing else to do. No outcome
    depends on it: it only keeps the drill short.
    """

    begins: Act
    ends: Act
    counters: tuple[str, ...]
    seconds: float = 0.5


until = partial(eventually_true, poll_seconds=LOOK_SECONDS)
"""Wait for something that has to be asked for."""


async def drill(service: ServiceUnderTest, fault: Fault, folder: Path) -> None:
    """Let a fault come and go while orders rest, and check what must hold of each of them.

    The fault ends only after everything that must happen during it: the feed has counted it, and
    orders have expired. So the drill comes out the same on a machine of any speed.
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

    await fault.begins(service)
    await until(lambda: is_interrupted(service))
    # An order that ended before the outage may still be stored as open.
    seen_at = datetime.now(UTC)
    still_open = {
        one["order_id"]
        for one in await service.open_orders()
        if datetime.fromisoformat(one["expires_at"]) > seen_at
    }
    # The bid of 0.0024 is gone, of which nobody can know who hears nothing.
    service.market.push(SYMBOL, bid=("0.0022", "7"), ask=("0.0025", "9"))
    unheard = asyncio.create_task(_sell(service, "1", timeout_seconds=0.2))
    selling = asyncio.create_task(_sell(service, "3"))

    assert reason_of(await unheard) == ("EXPIRED", "NO_MARKET_DATA", "0")
    next_to_end = next(one for one in ending if one in still_open)
    await until(lambda: _is_closed(service, next_to_end))
    ended = await service.stored(next_to_end)
    assert reason_of(ended) == ("EXPIRED", "TIMEOUT_DURING_OUTAGE", "0")
    await until(lambda: _have_grown(service, fault.counters, before))
    await fault.ends(service)
    await until_filled(service, "9")
    service.market.push(SYMBOL, bid=("0.0021", "7"), ask=("0.0025", "9"))
    service.market.push(SYMBOL, bid=("0.0023", "3"), ask=("0.00251", "11"))

    assert splits_of(await buying) == [("0.0025", "5"), ("0.0025", "4"), ("0.00251", "11")]
    assert splits_of(await selling) == [("0.0023", "3")]
    await check_books(folder)


async def check_books(folder: Path) -> None:
    """Check every promise on what is stored: no lot was sold twice, among others."""
    assert (await audit(str(folder / "service.db"))).is_sound


async def count_of(service: ServiceUnderTest, counter: str) -> int:
    """Return one of the feed's counters as the service tells it, by group where it has one."""
    feed = (await readiness_of(service))["feed"]
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


async def readiness_of(service: ServiceUnderTest) -> dict[str, Any]:
    """Return what ``/readyz`` says."""
    return dict((await service.client.get("/readyz")).json())


async def is_interrupted(service: ServiceUnderTest) -> bool:
    """Whether the symbol has no current quote."""
    return (await service.client.get(f"/symbols/{SYMBOL}")).json()["quote"] is None


async def has_met(service: ServiceUnderTest, order_id: str, update_id: int) -> bool:
    """Whether an open order stands before this quote."""
    market = (await service.stored(order_id))["market"]
    return market is not None and bool(market["update_id"] == update_id)


async def until_filled(service: ServiceUnderTest, quantity: str) -> None:
    """Wait until some open order has been filled so far."""

    async def is_filled() -> bool:
        return any(one["filled_quantity"] == quantity for one in await service.open_orders())

    await until(is_filled)


def reason_of(order: dict[str, Any]) -> tuple[str, str | None, str]:
    """Return how an order ended, and with how much."""
    return order["status"], order["reason"], order["filled_quantity"]


def splits_of(order: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the price and quantity of each split."""
    return [(one["price"], one["quantity"]) for one in order["splits"]]


async def buy(
    service: ServiceUnderTest, quantity: int, price: str = LIMIT, timeout_seconds: float = 3_600
) -> dict[str, Any]:
    """Post an order to buy and return its answer."""
    return await service.order(
        symbol=SYMBOL, order_size=quantity, price=price, timeout_seconds=timeout_seconds
    )


async def _sell(
    service: ServiceUnderTest, quantity: str, timeout_seconds: float = 3_600
) -> dict[str, Any]:
    return await service.order(
        symbol=SYMBOL,
        order_size=quantity,
        price="0.0023",
        side="SELL",
        timeout_seconds=timeout_seconds,
    )
