"""Which symbols have been without a current quote for long, so that somebody is told.

A connection that is replaced interrupts every symbol for a moment, which is nothing to tell. What
lasts is told once for all symbols together when it begins, and once when it is over.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import structlog

from app.domain.order import Symbol

LONG_SECONDS: Final = 30.0
"""An interruption is long from here on. A reconnect takes one, or some if it fails at first."""

CHECK_SECONDS: Final = 5.0
"""Pause between two looks at the symbols."""

NAMED_SYMBOLS_MAX: Final = 10
"""Symbols that an entry of the log names; the rest is counted."""

_NS_PER_SECOND: Final = 1_000_000_000

_log = structlog.get_logger()


class Changes(NamedTuple):
    """What is to be told: whose interruption has become long, and whose long one is over."""

    begun: list[Symbol]
    ended: list[Symbol]


class Interruptions:
    """Remembers since when symbols are seen without a quote. No I/O and no clock."""

    def __init__(self, *, long_seconds: float = LONG_SECONDS) -> None:
        self._long_ns = round(long_seconds * _NS_PER_SECOND)
        self._since_ns: dict[Symbol, int] = {}
        self._told: set[Symbol] = set()

    @property
    def total(self) -> int:
        """How many symbols have been without a quote for long, at the last look."""
        return len(self._told)

    def look(self, is_live: Mapping[Symbol, bool], *, now_ns: int) -> Changes:
        """Take how the symbols are now; one that is not served any more is forgotten silently."""
        for symbol in self._since_ns.keys() - is_live.keys():
            del self._since_ns[symbol]
            self._told.discard(symbol)
        changes = Changes([], [])
        for symbol, lives in is_live.items():
            if lives:
                self._since_ns.pop(symbol, None)
                if symbol in self._told:
                    self._told.discard(symbol)
                    changes.ended.append(symbol)
            elif (
                now_ns - self._since_ns.setdefault(symbol, now_ns) >= self._long_ns
                and symbol not in self._told
            ):
                self._told.add(symbol)
                changes.begun.append(symbol)
        return changes


def tell(changes: Changes) -> None:
    """Write to the log what has changed, if anything has."""
    if changes.begun:
        _log.warning("symbols_interrupted_for_long", **_named(changes.begun), seconds=LONG_SECONDS)
    if changes.ended:
        _log.info("symbols_live_again", **_named(changes.ended))


def _named(symbols: Sequence[Symbol]) -> dict[str, object]:
    return {"symbols": list(symbols[:NAMED_SYMBOLS_MAX]), "total": len(symbols)}
