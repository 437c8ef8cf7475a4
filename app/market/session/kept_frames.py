"""Frames of a new connection, kept in order while the old one still delivers; no I/O."""

from collections import deque
from dataclasses import dataclass
from typing import Final

from app.domain.order import Symbol
from app.domain.quote import Quote
from app.market.book_ticker import Drop
from app.market.session.symbol_stream import SymbolStream

SUPERSEDED_NS: Final = 1_000_000_000
"""An order that came meanwhile must not meet a quote that is older and was replaced since."""


_FirstQuotes = dict[Symbol, Quote]


@dataclass(frozen=True, slots=True)
class KeptFrame:
    """A frame that waits to be delivered."""

    parsed: Quote | Drop
    text: bytes
    received_ns: int


class KeptFrames:
    """At most ``frames_max`` frames, first in, first out."""

    def __init__(self, frames_max: int) -> None:
        self.frames_max = frames_max
        self._frames: deque[KeptFrame] = deque()
        self._first: _FirstQuotes = {}

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._frames)

    def keep(self, frame: KeptFrame) -> bool:
        """Append a frame; False if there is no room for it."""
        if len(self._frames) >= self.frames_max:
            return False
        self._frames.append(frame)
        if isinstance(frame.parsed, Quote):
            self._first.setdefault(frame.parsed.symbol, frame.parsed)
        return True

    def take(self) -> KeptFrame:
        """Remove and return the first frame."""
        return self._frames.popleft()

    def has_caught_up(self, stream: SymbolStream) -> bool:
        """Whether the old connection has delivered all that came before what was kept of a stream.

        It has if it delivered the first kept quote or a later one; if none was kept since the
        stream is wanted, nothing says otherwise.
        """
        first = self._first_of(stream)
        return first is None or first.update_id <= stream.last_update_id

    def has_overlapped(self, stream: SymbolStream) -> bool:
        """Whether that is proven, by a quote that came here and there."""
        return self._first_of(stream) is not None and self.has_caught_up(stream)

    def superseded(self, now_ns: int) -> set[int]:
        """Return which frames are old by now and were replaced since, counted from 0.

        By their places, since the ``id()`` of a frame is given again once it was delivered.
        """
        newest: dict[Symbol, tuple[int, KeptFrame]] = {}
        superseded: set[int] = set()
        for place, frame in enumerate(self._frames):
            if not isinstance(frame.parsed, Quote):
                continue
            replaced = newest.get(frame.parsed.symbol)
            newest[frame.parsed.symbol] = (place, frame)
            if replaced is not None and replaced[1].received_ns < now_ns - SUPERSEDED_NS:
                superseded.add(replaced[0])
        return superseded

    def _first_of(self, stream: SymbolStream) -> Quote | None:
        first = self._first.get(stream.symbol)
        is_before = first is not None and first.received_ns < stream.wanted_since_ns
        return None if is_before else first
