"""``VenueRulesBook``: the venue's trading rules, kept fresh.

Whatever fails, the last good copy stays: orders are checked against rules that may be some hours
old rather than refused. The copy in the store lets the service start while the venue is down.
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
    """How often the venue is asked."""

    # Rules change a few times a week, a symbol's status somewhat more often.
    refresh_seconds: float = 600.0
    # While the venue does not answer.
    retry_seconds_first: float = 1.0
    retry_seconds_max: float = 60.0
    # How long a stored copy waits for the venue's first answer before its statuses count.
    confirm_seconds: float = 2.0


class RulesSource(Protocol):
    """Where the rules come from."""

    async def exchange_info(self) -> ParsedExchangeInfo:
        """Return the rules of all symbols that can be read. Raises VenueError."""


class VenueRulesBook:
    """The trading rules by symbol; see ``app.ports.RulesBook``. ``run`` loads and refreshes."""

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
        """Return a symbol's rules, None for an unknown one.

        Raises:
            RulesNotLoadedError: neither the store nor the venue has given any yet.
        """
        if not self._rules:
            raise RulesNotLoadedError
        return self._rules.get(symbol)

    def is_trading(self, symbol: Symbol) -> bool:
        """Whether the venue trades a symbol now; where nothing is known of it, that is assumed.

        A symbol that is missing was delisted, unless some could not be read: it may be one of them.
        Until the venue answers for the first time, or fails to, no symbol trades: it may have been
        halted since the stored copy was made, and depth goes on showing a halted book.
        """
        if not self._is_confirmed:
            return False
        rules = self._rules.get(symbol)
        if rules is None:
            return not self._rules or self._symbols_skipped > 0
        return rules.status == TRADING

    def state(self) -> RulesState:
        """Say where the rules come from, how old they are, and what failed last."""
        return self._state

    async def run(self, on_loaded: Callable[[], None] | None = None) -> None:
        """Take the stored copy at once, then the venue's, again and again; never return.

        ``on_loaded`` is called whenever ``is_trading`` may say something else.
        """
        self._on_loaded = on_loaded
        late = asyncio.get_running_loop().call_later(self._timing.confirm_seconds, self._confirm)
        try:
            await self._guard("rules_load_failed", self._load())
            while True:
                pause_seconds = await self._refresh()
                self._confirm()  # also where it failed: orders go on with the stored copy
                await asyncio.sleep(pause_seconds)
        finally:
            late.cancel()

    def _confirm(self) -> None:
        """Let the statuses count that we have: the venue answered, failed, or took too long."""
        if not self._is_confirmed:
            self._is_confirmed = True
            if self._on_loaded is not None:
                self._on_loaded()

    async def _load(self) -> None:
        stored = await self._store.load_trading_rules()
        if stored is not None and stored.rules:
            self._replace("stored", stored)

    async def _refresh(self) -> float:
        """Fetch once; return how long to wait before the next time."""
        try:
            parsed = await self._rest.exchange_info()
        except VenueError as error:
            asked = error.retry_after_seconds if isinstance(error, VenueThrottledError) else 0.0
            return max(asked, self._note_failure(str(error)))
        if not parsed.rules:
            return self._note_failure("the venue listed no symbol that can be read")
        self._backoff.reset()
        fetched = StoredRules(rules=parsed.rules, fetched_at=self._clock.now())
        self._state = replace(self._state, refreshes=self._state.refreshes + 1)
        self._is_confirmed = True
        self._replace("venue", fetched, skipped=parsed.symbols_skipped)
        await self._guard("rules_save_failed", self._store.save_trading_rules(fetched))
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
        """Keep what we have and say what failed; return how long to wait before the next try."""
        self._state = replace(self._state, cause=cause, failures=self._state.failures + 1)
        _log.warning("trading_rules_refresh_failed", cause=cause)
        return self._backoff.next_seconds(most_seconds=self._timing.retry_seconds_max)

    async def _guard(self, event: str, storing: Awaitable[None]) -> None:
        """Go on without the store if it fails: it is a copy, and the journal tells of its state."""
        try:
            await storing
        except Exception as error:  # noqa: BLE001 - whatever ails the store, rules stay in use
            self._state = replace(self._state, cause=f"{event}: {error}")
            _log.warning(event, error=repr(error))
