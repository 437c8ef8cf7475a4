"""``StatusWatch``: learns within seconds which symbols the venue trades.

A halted symbol keeps its last book, and the trading rules are refreshed every ten minutes only. So
the watch asks for the status of all subscribed symbols every two seconds, by one request of small
weight. An order for another symbol asks first, unless its status was known a moment ago.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Mapping
from typing import Final, Protocol

import structlog

from app.domain.errors import VenueError
from app.domain.order import Symbol
from app.ports import Clock

ROUND_SECONDS: Final = 2.0
"""Pause between two rounds. With the answer's time it is well below the 5 s that are promised."""

FRESH_SECONDS: Final = 4.0
"""A status asked for at most this long ago needs no request. It covers one failed round."""

ANSWER_SECONDS_MAX: Final = 1.0
"""How long an order waits for the status of its symbol."""

FAILURE_SECONDS: Final = 5.0
"""After a failure no order waits for this long; the known status counts."""

PAUSE_SECONDS: Final = 0.5
"""Least pause between two requests. Orders that come meanwhile share the next one."""

_NS_PER_SECOND: Final = 1_000_000_000

_log = structlog.get_logger()


class StatusSource(Protocol):
    """Source of the statuses."""

    async def trading_symbols(self, symbols: Collection[Symbol]) -> set[Symbol]:
        """Return the symbols that trade, of ``symbols`` and perhaps of others.

        Raises VenueError.
        """


class StatusBook(Protocol):
    """Holds the statuses."""

    def is_listed(self, symbol: Symbol) -> bool:
        """Whether the venue listed the symbol when the rules were loaded."""

    def note_trading(
        self, asked: Collection[Symbol], trading: Collection[Symbol], *, asked_ns: int
    ) -> None:
        """Note which of the symbols trade, from an answer requested at ``asked_ns``."""


class StatusWatch:
    """Keeps the statuses of the subscribed symbols current; ``run`` is its one task.

    Args:
        source: answers which symbols trade.
        book: gets the answers.
        subscribed: returns the symbols to watch, with the update id of the newest frame of each.
        clock: source of the instants.
    """

    def __init__(
        self,
        *,
        source: StatusSource,
        book: StatusBook,
        subscribed: Callable[[], Mapping[Symbol, int]],
        clock: Clock,
    ) -> None:
        self._source = source
        self._book = book
        self._subscribed = subscribed
        self._clock = clock
        self._known_since_ns: dict[Symbol, int] = {}
        self._update_ids: Mapping[Symbol, int] = {}
        self._wanted: set[Symbol] = set()
        self._is_wanted = asyncio.Event()
        self._answered = asyncio.Event()
        self._failed_ns: int | None = None

    async def run(self) -> None:
        """Ask every two seconds, and sooner for an order; never return."""
        while True:
            await self._ask_once()
            await asyncio.sleep(PAUSE_SECONDS)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ROUND_SECONDS - PAUSE_SECONDS):
                    await self._is_wanted.wait()

    async def confirm(self, symbol: Symbol) -> None:
        """Ask for the status of a symbol, unless it was known a moment ago.

        Return after a second without an answer, and at once if the last request failed.
        """
        if self._is_settled(symbol) or not self._book.is_listed(symbol):
            return
        self._wanted.add(symbol)
        self._is_wanted.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                while not self._is_settled(symbol):
                    await self._answered.wait()

    def _is_settled(self, symbol: Symbol) -> bool:
        """Whether the status is known, or cannot be known now."""
        return self._is_within(FRESH_SECONDS, self._known_since_ns.get(symbol)) or self._is_within(
            FAILURE_SECONDS, self._failed_ns
        )

    def _is_within(self, seconds: float, since_ns: int | None) -> bool:
        return (
            since_ns is not None
            and self._clock.monotonic_ns() - since_ns <= seconds * _NS_PER_SECOND
        )

    def _due(self) -> set[Symbol]:
        """Return the symbols to ask for: subscribed ones, and those that orders wait for."""
        before, self._update_ids = self._update_ids, self._subscribed()
        due, self._wanted = self._wanted, set()
        for symbol, update_id in self._update_ids.items():
            # The venue refuses a request that names a delisted symbol. Its next frame is a reason
            # to ask: it may be listed again.
            if self._book.is_listed(symbol) or update_id != before.get(symbol, update_id):
                due.add(symbol)
        return due

    async def _ask_once(self) -> None:
        """Ask for all due symbols; note and log a failure."""
        self._is_wanted.clear()
        symbols = self._due()
        if not symbols:
            return
        asked_ns = self._clock.monotonic_ns()
        try:
            trading = await self._source.trading_symbols(sorted(symbols))
        except VenueError as error:
            if self._failed_ns is None:
                _log.warning("symbol_status_unknown", cause=str(error))
            self._failed_ns = self._clock.monotonic_ns()
        else:
            self._failed_ns = None
            known = self._known_since_ns
            fresh = {one: at for one, at in known.items() if self._is_within(FRESH_SECONDS, at)}
            self._known_since_ns = fresh | dict.fromkeys(symbols, asked_ns)
            self._book.note_trading(symbols, trading, asked_ns=asked_ns)
        self._answered.set()
        self._answered.clear()
