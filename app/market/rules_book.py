"""``VenueRulesBook``: the venue's trading rules, refreshed regularly.

After any failure the last good copy stays in use: orders are checked against rules that are hours
old rather than refused. The stored copy lets the service start while the venue is down.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from app.domain.errors import RulesNotLoadedError, VenueError, VenueThrottledError
from app.domain.order import Symbol
from app.domain.rules import TRADING, TradingRules
from app.market.exchange_info import ParsedExchangeInfo
from app.market.transport.pacing import Backoff
from app.ports import Clock, RulesState, RulesStore, StoredRules

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesTiming:
    """How often the rules are fetched."""

    # Rules change a few times a week, a symbol's status somewhat more often.
    refresh_seconds: float = 600.0
    # Pauses while the venue does not answer.
    retry_seconds_first: float = 1.0
    retry_seconds_max: float = 60.0
    # How long the venue's first answer is awaited before the stored statuses count.
    confirm_seconds: float = 2.0


class RulesSource(Protocol):
    """Source of the rules."""

    async def exchange_info(self) -> ParsedExchangeInfo:
        """Return the rules of all readable symbols. Raises VenueError."""


class VenueRulesBook:
    """Trading rules by symbol; see ``app.ports.RulesBook``. ``run`` loads and refreshes."""

    def __init__(
        self,
        *,
        rest: RulesSource,
        store: RulesStore,
        clock: Clock,
        random: random.Random,
        timing: RulesTiming | None = None,
    ) -> None:
        self._rest = rest
        self._store = store
        self._clock = clock
        self._timing = timing or RulesTiming()
        self._on_loaded: Callable[[], None] | None = None
        self._backoff = Backoff(random, first_seconds=self._timing.retry_seconds_first)
        self._rules: dict[Symbol, TradingRules] = {}
        self._symbols_skipped = 0
        self._is_confirmed = False
        self._state = RulesState(
            source="none", loaded_at=None, symbols=0, cause=None, refreshes=0, failures=0
        )

    def find(self, symbol: Symbol) -> TradingRules | None:
        """Return a symbol's rules; None if the symbol is unknown.

        Raises:
            RulesNotLoadedError: neither the store nor the venue has provided rules yet.
        """
        if not self._rules:
            raise RulesNotLoadedError
        return self._rules.get(symbol)

    def is_trading(self, symbol: Symbol) -> bool:
        """Whether the venue trades a symbol now; True if nothing is known about it.

        A missing symbol was delisted, unless some symbols were unreadable: it may be one of them.
        No symbol trades until the venue's first answer or failure. A symbol may have been halted
        since the copy was stored, and depth still shows the book of a halted symbol.
        """
        if not self._is_confirmed:
            return False
        rules = self._rules.get(symbol)
        if rules is None:
            return not self._rules or self._symbols_skipped > 0
        return rules.status == TRADING

    def state(self) -> RulesState:
        """Return the source and age of the rules, and the last failure."""
        return self._state

    async def run(self, on_loaded: Callable[[], None] | None = None) -> None:
        """Load the stored copy, then fetch the venue's rules repeatedly; never return.

        ``on_loaded`` is called when the result of ``is_trading`` may have changed.
        """
        self._on_loaded = on_loaded
        timer = asyncio.get_running_loop().call_later(self._timing.confirm_seconds, self._confirm)
        try:
            await self._log_failure("rules_load_failed", self._load())
            while True:
                pause_seconds = await self._refresh()
                self._confirm()  # also after a failure: orders continue with the stored copy
                await asyncio.sleep(pause_seconds)
        finally:
            timer.cancel()

    def _confirm(self) -> None:
        """Let the present statuses count: the venue answered, failed, or took too long."""
        if not self._is_confirmed:
            self._is_confirmed = True
            if self._on_loaded is not None:
                self._on_loaded()

    async def _load(self) -> None:
        stored = await self._store.load_trading_rules()
        if stored is not None and stored.rules:
            self._replace("stored", stored)

    async def _refresh(self) -> float:
        """Fetch the rules once; return the pause before the next fetch."""
        try:
            parsed = await self._rest.exchange_info()
        except VenueError as error:
            wait = error.retry_after_seconds if isinstance(error, VenueThrottledError) else 0.0
            return max(wait, self._note_failure(str(error)))
        if not parsed.rules:
            return self._note_failure("the venue listed no symbol that can be read")
        self._backoff.reset()
        fetched = StoredRules(rules=parsed.rules, fetched_at=self._clock.now())
        self._state = replace(self._state, refreshes=self._state.refreshes + 1)
        self._is_confirmed = True
        self._replace("venue", fetched, skipped=parsed.symbols_skipped)
        await self._log_failure("rules_save_failed", self._store.save_trading_rules(fetched))
        return self._timing.refresh_seconds

    def _replace(self, source: str, copy: StoredRules, *, skipped: int = 0) -> None:
        self._rules = {rules.symbol: rules for rules in copy.rules}
        self._symbols_skipped = skipped
        self._state = replace(
            self._state,
            source=source,
            loaded_at=copy.fetched_at,
            symbols=len(self._rules),
            cause=None,
        )
        _log.info("trading_rules_loaded", source=source, symbols=len(self._rules), skipped=skipped)
        if self._on_loaded is not None:
            self._on_loaded()

    def _note_failure(self, cause: str) -> float:
        """Keep the present rules and record the failure; return the pause before a retry."""
        self._state = replace(self._state, cause=cause, failures=self._state.failures + 1)
        _log.warning("trading_rules_refresh_failed", cause=cause)
        return self._backoff.next_seconds(most_seconds=self._timing.retry_seconds_max)

    async def _log_failure(self, event: str, storing: Awaitable[None]) -> None:
        """Await a store operation, and only log its failure: the store is just a copy."""
        try:
            await storing
        except Exception as error:  # noqa: BLE001 - the rules stay in use after any failure
            self._state = replace(self._state, cause=f"{event}: {error}")
            _log.warning(event, error=repr(error))
