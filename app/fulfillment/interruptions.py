"""Detects symbols that have had no current quote for long, and logs them.

A replaced connection interrupts every symbol for a moment; that is not logged. A long interruption
is logged once for all its symbols when it becomes long, and once when it is over.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import structlog

from app.domain.order import Symbol

LONG_SECONDS: Final = 30.0
"""The age at which an interruption counts as long. A reconnect takes a second, or a few."""

CHECK_SECONDS: Final = 5.0
"""Pause between two checks of the symbols."""

NAMED_SYMBOLS_MAX: Final = 10
"""Symbols that one log entry names; it gives the total of all."""

_NS_PER_SECOND: Final = 1_000_000_000

_log = structlog.get_logger()


class InterruptionChanges(NamedTuple):
    """The symbols whose interruption became long, and those whose long interruption is over."""

    started: list[Symbol]
    ended: list[Symbol]


class Interruptions:
    """Remembers since when each symbol has had no quote. No I/O and no clock."""

    def __init__(self, *, long_seconds: float = LONG_SECONDS) -> None:
        self._long_ns = round(long_seconds * _NS_PER_SECOND)
        self._since_ns: dict[Symbol, int] = {}
        self._long: set[Symbol] = set()

    @property
    def total(self) -> int:
        """How many symbols had a long interruption at the last update."""
        return len(self._long)

    def update(self, is_live: Mapping[Symbol, bool], *, now_ns: int) -> InterruptionChanges:
        """Compare with the last update, and return the changes.

        ``is_live`` holds the symbols that are served now. Other symbols are forgotten without a
        change.
        """
        for symbol in self._since_ns.keys() - is_live.keys():
            del self._since_ns[symbol]
            self._long.discard(symbol)
        changes = InterruptionChanges([], [])
        for symbol, lives in is_live.items():
            if lives:
                self._since_ns.pop(symbol, None)
                # The end of a short interruption is no news: its start was not logged.
                if symbol in self._long:
                    self._long.discard(symbol)
                    changes.ended.append(symbol)
            elif (
                now_ns - self._since_ns.setdefault(symbol, now_ns) >= self._long_ns
                and symbol not in self._long
            ):
                self._long.add(symbol)
                changes.started.append(symbol)
        return changes


def log_changes(changes: InterruptionChanges) -> None:
    """Log the changes, if there are any."""
    if changes.started:
        _log.warning(
            "symbols_interrupted_for_long", **_named(changes.started), seconds=LONG_SECONDS
        )
    if changes.ended:
        _log.info("symbols_live_again", **_named(changes.ended))


def _named(symbols: Sequence[Symbol]) -> dict[str, object]:
    return {"symbols": list(symbols[:NAMED_SYMBOLS_MAX]), "total": len(symbols)}
