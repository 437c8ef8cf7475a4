"""``VenueRulesBook``: the venue's trading rules and statuses, refreshed regularly.

After any failure the last good copy stays in use: orders are checked against rules that are hours
old rather than refused. The stored copy lets the service start while the venue is down.

Halts are learned sooner, from ``StatusWatch`` and from refused depth requests. Both know only that
a symbol does not trade. A refresh of all rules, requested then, tells the venue's word for it.
"""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass, replace
from typing import Final, NamedTuple, Protocol

import structlog

from app.domain.errors import RulesNotLoadedError, VenueError, VenueThrottledError
from app.domain.order import Symbol
from app.domain.rules import TRADING, TradingRules
from app.market.exchange_info import ParsedExchangeInfo
from app.market.transport.pacing import Backoff
from app.ports import Clock, RulesState, RulesStore, StoredRules

ANSWER_SECONDS: Final = 60.0
"""An answer about one symbol counts more than a list of rules requested up to this long after it,
because the venue may serve that list from a cache."""

NOT_TRADING: Final = "NOT_TRADING"
"""The status until the next refresh of a symbol that stopped trading; not a word of the venue."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesTiming:
    """How often the rules are fetched."""

    # Rules change a few times a week, a symbol's status somewhat more often.
    refresh_seconds: float = 600.0
    # Pause before a refresh because a status changed; a refresh costs the venue some weight.
    refresh_early_seconds: float = 10.0
    # Pauses while the venue does not answer.
    retry_seconds_first: float = 1.0
    retry_seconds_max: float = 60.0
    # How long the venue's first answer is awaited before the stored statuses count.
    confirm_seconds: float = 2.0


class _Answer(NamedTuple):
    """Whether a symbol traded when its status was asked for."""

    is_trading: bool
    asked_ns: int


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
        on_status: Callable[[Symbol, str], None] | None = None,
    ) -> None:
        self._rest = rest
        self._store = store
        self._clock = clock
        self._timing = timing or RulesTiming()
        self._on_loaded: Callable[[], None] | None = None
        self._on_status = on_status
        self._answers: dict[Symbol, _Answer] = {}
        self._changed = asyncio.Event()
        self._has_news = asyncio.Event()
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
        rules = self._rules.get(symbol)
        if rules is None or rules.is_trading is self._trades(symbol):
            return rules
        return replace(rules, status=self._status(symbol))

    def is_listed(self, symbol: Symbol) -> bool:
        """Whether the venue listed the symbol at the last refresh."""
        return symbol in self._rules

    def is_trading(self, symbol: Symbol) -> bool:
        """Whether the venue trades a symbol now; True if nothing is known about it.

        No symbol trades until the venue's first answer or failure. A symbol may have been halted
        since the copy was stored.
        """
        return self._is_confirmed and self._trades(symbol)

    async def wait_until_trading(self, symbol: Symbol) -> None:
        """Return once the venue trades a symbol."""
        while not self.is_trading(symbol):
            await self._changed.wait()

    def note_trading(
        self, asked: Collection[Symbol], trading: Collection[Symbol], *, asked_ns: int
    ) -> None:
        """Note which of the symbols trade, from an answer requested at ``asked_ns``.

        The next refresh of the rules comes at once if this is news.
        """
        changed = []
        for symbol in asked:
            known = self._answers.get(symbol)
            if known is not None and known.asked_ns > asked_ns:
                continue  # a newer answer arrived first
            traded = self._trades(symbol)
            self._answers[symbol] = _Answer(symbol in trading, asked_ns)
            if self._trades(symbol) is not traded:
                changed.append(symbol)
        if changed:
            for symbol in changed:
                _log.warning("symbol_status_changed", symbol=symbol, status=self._status(symbol))
            self._has_news.set()
            self._tell(changed)

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
                await self._wait_for_refresh(pause_seconds)
        finally:
            timer.cancel()

    async def _wait_for_refresh(self, pause_seconds: float) -> None:
        """Wait for this long, or after the least pause only until a status has changed."""
        least_seconds = min(pause_seconds, self._timing.refresh_early_seconds)
        await asyncio.sleep(least_seconds)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_seconds - least_seconds):
                await self._has_news.wait()

    def _trades(self, symbol: Symbol) -> bool:
        """Whether a symbol trades, by the newest answer about it, else by the rules."""
        answer = self._answers.get(symbol)
        if answer is not None:
            return answer.is_trading
        rules = self._rules.get(symbol)
        if rules is None:
            # A missing symbol was delisted, unless some symbols were unreadable.
            return not self._rules or self._symbols_skipped > 0
        return rules.is_trading

    def _status(self, symbol: Symbol) -> str:
        """Return a symbol's status in the venue's word, if it is known."""
        if self._trades(symbol):
            return TRADING
        rules = self._rules.get(symbol)
        return NOT_TRADING if rules is None or rules.is_trading else rules.status

    def _tell(self, changed: Iterable[Symbol]) -> None:
        """Pass on the statuses of these symbols, and wake up the tasks that wait for one."""
        if self._on_status is not None:
            for symbol in changed:
                self._on_status(symbol, self._status(symbol))
        self._changed.set()
        self._changed.clear()
        if self._on_loaded is not None:
            self._on_loaded()

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
        self._has_news.clear()
        asked_ns = self._clock.monotonic_ns()
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
        oldest_ns = asked_ns - round(ANSWER_SECONDS * 1e9)
        self._answers = {
            symbol: answer
            for symbol, answer in self._answers.items()
            if answer.asked_ns >= oldest_ns
        }
        self._replace("venue", fetched, skipped=parsed.symbols_skipped)
        await self._log_failure("rules_save_failed", self._store.save_trading_rules(fetched))
        return self._timing.refresh_seconds

    def _replace(self, source: str, copy: StoredRules, *, skipped: int = 0) -> None:
        known = {symbol: self._status(symbol) for symbol in self._rules}
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
        listed_or_gone = self._rules.keys() | known.keys()
        self._tell(one for one in listed_or_gone if known.get(one, TRADING) != self._status(one))

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
