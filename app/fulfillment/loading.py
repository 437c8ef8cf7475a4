"""Load stored orders and ledgers into matchers, in batches, even from a database that fails.

A start loads orders that stay in memory for long. The garbage collector would examine them again
and again, and 100,000 orders block the event loop for 0.1 s each time. Therefore a start exempts
all objects from collection after each batch (``gc.freeze``). Reference counting still frees an
exempt object, unless it is part of a reference cycle. A running service has many such cycles, so a
reload exempts nothing.
"""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Final, NamedTuple, Protocol, TypeVar

import structlog

from app.domain.matcher import SymbolMatcher
from app.domain.order import MICROSECOND, OrderSnapshot, Symbol
from app.domain.resting import Step
from app.ports import Clock, StoredLedger

ORDERS_PER_BATCH: Final = 500
"""Orders processed without yielding to the event loop. They take about 5 ms."""

RELOAD_SECONDS: Final = 1.0
"""Pause before a failed read is retried."""

_NS_PER_MICROSECOND: Final = 1_000

_Item = TypeVar("_Item")
_Answer = TypeVar("_Answer")

_log = structlog.get_logger()


class MatcherSource(Protocol):
    """Makes matchers, and learns when fulfillment drops one."""

    def begin(self, symbol: Symbol, stored: StoredLedger) -> SymbolMatcher:
        """Make a matcher that starts with the stored gate and levels."""

    def end(self, matcher: SymbolMatcher, how: str) -> None:
        """Learn how a matcher ended.

        ``how`` is ``ended`` after lingering, ``stopped`` with the service, or ``failed``.
        """


class PlainMatchers:
    """Makes matchers whose inputs are not recorded."""

    def begin(self, symbol: Symbol, stored: StoredLedger) -> SymbolMatcher:
        """Make a matcher that starts with the stored gate and levels."""
        return SymbolMatcher(symbol, gate=stored.gate, levels=stored.levels)

    def end(self, matcher: SymbolMatcher, how: str) -> None:
        """Do nothing."""


class DurableOrder(NamedTuple):
    """A durable open order that no matcher holds yet.

    ``was_open_before`` says that an earlier matcher may have held the order. That matcher may have
    shown it quotes that are not stored.
    """

    snapshot: OrderSnapshot
    was_open_before: bool


def rest_orders(matcher: SymbolMatcher, orders: Iterable[DurableOrder], clock: Clock) -> list[Step]:
    """Give the orders to their matcher, and return the resulting fills and ends."""
    now, now_ns = clock.now(), clock.monotonic_ns()
    steps: list[Step] = []
    for snapshot, was_open_before in orders:
        order = snapshot.order
        if was_open_before and not order.rests:
            # The first quote after acceptance decides an IOC or FOK order. No decision by that
            # quote was stored, and a later quote must not decide in its place.
            steps.append(matcher.end_unmet(snapshot))
            continue
        # `expires_at` is wall-clock time; a running timer is monotonic, so convert the rest.
        left_microseconds = (order.expires_at - now) // MICROSECOND
        steps += matcher.rest(
            order,
            deadline_ns=now_ns + left_microseconds * _NS_PER_MICROSECOND,
            filled_quantity=snapshot.filled_quantity,
            quote_quantity=snapshot.quote_quantity,
            splits_total=snapshot.splits_total,
            arrival=snapshot.arrival,
            quotes_seen=snapshot.quotes_seen,
            may_have_met_quotes=was_open_before,
            now_ns=now_ns,
        )
    return steps


async def in_batches(
    items: Sequence[_Item], *, is_start: bool = False
) -> AsyncIterator[Sequence[_Item]]:
    """Yield the items in order, ``ORDERS_PER_BATCH`` at a time.

    The event loop runs other tasks between two batches. A single batch needs no await.
    """
    for start in range(0, len(items), ORDERS_PER_BATCH):
        if start:
            if is_start:
                gc.freeze()
            await asyncio.sleep(0)
        yield items[start : start + ORDERS_PER_BATCH]


async def retry_until_read(
    read: Callable[[], Awaitable[_Answer]], *, trouble: str, **fields: str
) -> _Answer:
    """Call ``read`` until it succeeds. Log each failure as event ``trouble`` with the fields."""
    while True:
        try:
            return await read()
        except Exception:  # noqa: BLE001 - a database may fail in any way: retry
            _log.warning(trouble, **fields, exc_info=True)
            await asyncio.sleep(RELOAD_SECONDS)
