"""Buffer the frames of a new connection while the old one still delivers; no I/O."""

from collections import deque
from dataclasses import dataclass
from typing import Final

from app.domain.order import Symbol
from app.domain.quote import Quote
from app.market.book_ticker import Drop
from app.market.session.symbol_stream import SymbolStream

SUPERSEDED_NS: Final = 1_000_000_000
"""A replaced quote older than this must not meet an order that arrived in the meantime."""


@dataclass(frozen=True, slots=True)
class BufferedFrame:
    """A frame that waits for delivery."""

    parsed: Quote | Drop
    text: bytes
    received_ns: int


class FrameBuffer:
    """A queue of at most ``frames_max`` frames."""

    def __init__(self, frames_max: int) -> None:
        self.frames_max = frames_max
        self._frames: deque[BufferedFrame] = deque()
        self._first = dict[Symbol, Quote]()

    def __len__(self) -> int:
        """Return how many frames wait."""
        return len(self._frames)

    def append(self, frame: BufferedFrame) -> bool:
        """Append a frame; return False if the buffer is full."""
        if len(self._frames) >= self.frames_max:
            return False
        self._frames.append(frame)
        if isinstance(frame.parsed, Quote):
            self._first.setdefault(frame.parsed.symbol, frame.parsed)
        return True

    def pop_first(self) -> BufferedFrame:
        """Remove and return the first frame."""
        return self._frames.popleft()

    def has_caught_up(self, stream: SymbolStream) -> bool:
        """Whether the old connection has delivered everything before a stream's buffered quotes.

        That holds once it delivered the first buffered quote or a later one. A stream without a
        buffered quote since it was wanted counts as caught up.
        """
        first = self._first_of(stream)
        return first is None or first.update_id <= stream.last_update_id

    def has_overlapped(self, stream: SymbolStream) -> bool:
        """Whether a quote that arrived on both connections proves ``has_caught_up``."""
        return self._first_of(stream) is not None and self.has_caught_up(stream)

    def superseded(self, now_ns: int) -> set[int]:
        """Return the indexes of the old frames that were replaced by a newer quote.

        Indexes, because ``id()`` of a delivered frame can be reused.
        """
        newest: dict[Symbol, tuple[int, BufferedFrame]] = {}
        superseded: set[int] = set()
        for index, frame in enumerate(self._frames):
            if not isinstance(frame.parsed, Quote):
                continue  # a dropped frame stands for a change, so it is never replaced
            replaced = newest.get(frame.parsed.symbol)
            newest[frame.parsed.symbol] = (index, frame)
            if replaced is not None and replaced[1].received_ns < now_ns - SUPERSEDED_NS:
                superseded.add(replaced[0])
        return superseded

    def _first_of(self, stream: SymbolStream) -> Quote | None:
        first = self._first.get(stream.symbol)
        # A quote from before the stream was wanted belongs to earlier listeners.
        is_before = first is not None and first.received_ns < stream.wanted_since_ns
        return None if is_before else first
