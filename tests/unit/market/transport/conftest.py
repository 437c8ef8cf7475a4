"""A receiver that records the calls of a connection."""

from collections.abc import Sequence

from app.market.transport.connection import VenueConnection
from app.market.transport.failure_kinds import Ending


class Receiver:
    """Records texts, binary frames (as None), skipped quotes and ends, in order."""

    def __init__(self) -> None:
        self.frames: list[bytes | None] = []
        self.causes: list[str] = []
        self.kinds: list[str] = []
        self.skipped = 0
        self.times_behind = 0

    @property
    def texts(self) -> list[bytes]:
        """The texts."""
        return [frame for frame in self.frames if frame is not None]

    def on_texts(self, connection: VenueConnection, texts: Sequence[bytes]) -> None:
        """Handle texts until the connection is lost."""
        for text in texts:
            if not connection.is_lost:
                self.on_text(connection, text)

    def on_text(self, connection: VenueConnection, text: bytes) -> None:
        """Record a text."""
        del connection
        self.frames.append(bytes(text))

    def on_binary(self) -> None:
        """Record a binary frame."""
        self.frames.append(None)

    def on_skipped(self, texts: int) -> None:
        """Record the number of skipped texts."""
        self.skipped += texts

    def on_behind(self, *, is_behind: bool) -> None:
        """Record the change."""
        self.times_behind += is_behind

    def on_lost(self, ending: Ending) -> None:
        """Record the end."""
        self.causes.append(ending.cause)
        self.kinds.append(ending.kind)
