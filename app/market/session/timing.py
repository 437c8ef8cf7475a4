"""How long the feed waits for what, and how much it asks of the venue at most."""

from dataclasses import dataclass
from typing import Final

from app.market.session.conflation import BEHIND_SECONDS
from app.market.session.stream_requests import STREAMS_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedTiming:
    """How long the feed waits for what.

    Pauses between attempts to connect are counted from start to start and double from
    ``pause_seconds_first``. In the first minute of an outage they stay at or below
    ``early_pause_seconds_max``, so an attempt may not last longer than that either.
    """

    open_seconds_early: float = 4.5
    open_seconds: float = 10.0
    pause_seconds_first: float = 0.1
    early_pause_seconds_max: float = 5.0
    pause_seconds_max: float = 20.0
    early_seconds: float = 60.0
    # A connection that ends sooner is no recovery: the pauses go on growing.
    stable_seconds: float = 10.0
    acknowledgment_seconds_max: float = 5.0
    # Before a connection asks for the venue's time, so that its symbols have the first turns.
    time_stream_seconds: float = 1.0
    # Before what the venue refused is asked for again.
    refusal_seconds: float = 5.0
    # A dead connection shows within the sum of both and a second for a goodbye; each ping counts as
    # a control message.
    ping_interval_seconds: float = 5.0
    ping_timeout_seconds: float = 5.0
    # Fulfillment lingers by itself; this only spares a reconnect between two symbols.
    idle_seconds: float = 10.0
    # The venue ends a connection after 24 h. We replace it before, by chance up to this part of the
    # time sooner, so that several connections do not rotate together.
    rotation_seconds: float = 23 * 3600.0
    rotation_part_sooner_max: float = 0.02
    # How often a rotation looks whether it may go on, and so how long it rests between two steps.
    rotation_look_seconds: float = 0.25
    # For what a stream quoted on the new connection to come on the old one, too.
    overlap_seconds_max: float = 5.0
    # Streams that come and go all the time must not put a rotation off for ever.
    rotation_ready_seconds_max: float = 60.0
    # Between two depth requests that confirm an old quote of a symbol.
    confirmation_seconds: float = 1.0
    # What depth shows must have come as a frame within that, or the stream has stalled.
    stall_seconds: float = 2.0
    # Something waited in the socket for so long on end: we are behind, and skip replaced quotes.
    behind_seconds: float = BEHIND_SECONDS
    # Frames at or below the highest update id of their stream for so long, and none above.
    ids_back_seconds: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedLimits:
    """How much the feed asks of the venue, and how much it keeps.

    ``control_messages_max`` within ``control_seconds`` counts pings; a pong, which cannot wait,
    makes it one more. The venue allows 5 a second and counts on its side of the network: a quarter
    more of a second allows for its jitter. It bans an address above 300 attempts to connect within
    five minutes.
    """

    control_messages_max: int = 3
    control_seconds: float = 1.25
    attempts_max: int = 250
    attempts_seconds: float = 300.0
    streams_max: int = STREAMS_MAX
    # Frames of a new connection while the old one still delivers: half a minute of a busy venue.
    kept_frames_max: int = 100_000

    @property
    def symbols_max(self) -> int:
        """How many symbols share a connection; one of its streams tells the time."""
        return self.streams_max - 1


VENUE_LIMITS: Final = FeedLimits()
"""What the venue allows, with some room to spare."""
