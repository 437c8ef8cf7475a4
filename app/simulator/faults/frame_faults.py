"""Faults of outgoing frames: muted symbols, repeats, wrong order and garbage."""

from collections import deque
from dataclasses import dataclass
from typing import Final

from app.simulator.faults.garbage import garbage_kind
from app.simulator.market.venue_quotes import VenueQuote

RECENT_MAX: Final = 100
"""Quotes of a symbol that are remembered for ``resend``."""


@dataclass(slots=True)
class Countdown:
    """The number of times that a fault still occurs; None means no limit."""

    left: int | None = 0

    def take(self) -> bool:
        """Return whether the fault occurs now, and count it."""
        if self.left == 0:
            return False
        if self.left is not None:
            self.left -= 1
        return True

    def __bool__(self) -> bool:
        """Return whether the fault would occur, without counting it."""
        return self.left != 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingFrame:
    """A quote to send, spoiled if ``garbage`` names a kind."""

    quote: VenueQuote
    garbage: str | None = None


class FrameFaults:
    """Turns each quote into the frames to send, which may be none or several."""

    def __init__(self) -> None:
        self.muted: set[str] = set()
        self.duplicating = Countdown()
        self.reordering = Countdown()
        self.spoiling = Countdown()
        self._spoiled_kind = ""
        self._spoiled_symbol: str | None = None
        self._held: dict[str, VenueQuote] = {}
        self._recent: dict[str, deque[VenueQuote]] = {}

    @property
    def is_idle(self) -> bool:
        """Whether each quote is sent once and unchanged. It is read for every quote."""
        return (
            self.duplicating.left == self.reordering.left == self.spoiling.left == 0
            and not self.muted
            and not self._held
        )

    def remember(self, quote: VenueQuote) -> None:
        """Store a quote for ``resend``."""
        recent = self._recent.get(quote.symbol)
        if recent is None:
            recent = self._recent[quote.symbol] = deque(maxlen=RECENT_MAX)
        recent.append(quote)

    def frames_of(self, quote: VenueQuote) -> list[OutgoingFrame]:
        """Return the frames to send for this quote."""
        if quote.symbol in self.muted:
            return []
        in_order = self._in_order(quote) if self.reordering or self._held else [quote]
        frames = [
            OutgoingFrame(quote=one, garbage=self._garbage_for(one.symbol)) for one in in_order
        ]
        if self.duplicating:
            return [one for one in frames for _ in range(2 if self.duplicating.take() else 1)]
        return frames

    def spoil(self, kind: str, *, symbol: str | None, frames: int | None) -> None:
        """Spoil the next ``frames`` of a symbol, or of all symbols; None means no limit.

        Raises:
            ValueError: there is no such kind of garbage.
        """
        garbage_kind(kind)
        self._spoiled_kind = kind
        self._spoiled_symbol = symbol
        self.spoiling.left = frames

    def recent(self, symbol: str, frames: int) -> list[VenueQuote]:
        """Return the last quotes of a symbol, oldest first."""
        return list(self._recent.get(symbol, ()))[-frames:]

    def clear(self) -> list[VenueQuote]:
        """End all faults, and return the quotes that were held back."""
        self.muted.clear()
        self.duplicating.left = self.reordering.left = self.spoiling.left = 0
        held = list(self._held.values())
        self._held.clear()
        return held

    def _in_order(self, quote: VenueQuote) -> list[VenueQuote]:
        """Hold a quote back, and return it after the next quote of its symbol."""
        # A held quote must go out even if the countdown has ended, or it would be lost.
        if (held := self._held.pop(quote.symbol, None)) is not None:
            return [quote, held]
        if self.reordering.take():
            self._held[quote.symbol] = quote
            return []
        return [quote]

    def _garbage_for(self, symbol: str) -> str | None:
        if not self.spoiling or self._spoiled_symbol not in {None, symbol}:
            return None
        return self._spoiled_kind if self.spoiling.take() else None
