"""Where a symbol's matcher comes from: a plain one, or one whose inputs are recorded."""

from typing import Protocol

from app.domain.matcher import SymbolMatcher
from app.domain.order import Symbol
from app.ports import StoredLedger


class MatcherSource(Protocol):
    """Makes matchers, and hears when one is gone."""

    def begin(self, symbol: Symbol, stored: StoredLedger) -> SymbolMatcher:
        """Make a matcher that begins with what was stored."""

    def end(self, matcher: SymbolMatcher, how: str) -> None:
        """Hear that a matcher ``ended``, was ``stopped`` with the service, or ``failed``."""


class PlainMatchers:
    """Matchers that nobody listens to."""

    def begin(self, symbol: Symbol, stored: StoredLedger) -> SymbolMatcher:
        """Make a matcher that begins with what was stored."""
        return SymbolMatcher(symbol, gate=stored.gate, levels=stored.levels)

    def end(self, matcher: SymbolMatcher, how: str) -> None:
        """Let it go."""
