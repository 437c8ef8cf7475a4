"""The waits of the feed, and its limits toward the venue.

The limits are what we promise to keep. ``simulator.venue.venue_limits`` holds what the venue
enforces; the two stay apart, so that a mistake here shows as a refusal there.
"""

from dataclasses import dataclass
from typing import Final

from app.market.transport.conflation import BEHIND_SECONDS

STREAMS_MAX: Final = 1_024
"""The venue's limit per connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedTiming:
    """How long the feed waits, in seconds.

    Pauses between connection attempts count from start to start, and double from
    ``pause_seconds_first``. In the first ``early_seconds`` of an outage they stay at or below
    ``early_pause_seconds_max``, so an attempt must not take longer either.
    """

    open_seconds_early: float = 4.5
    open_seconds: float = 10.0
    pause_seconds_first: float = 0.1
    early_pause_seconds_max: float = 5.0
    pause_seconds_max: float = 20.0
    early_seconds: float = 60.0
    # A connection that ends sooner does not end the outage: the pauses keep growing.
    stable_seconds: float = 10.0
    acknowledgment_seconds_max: float = 5.0
    # Delay before requesting the venue's time, so that symbols come first.
    time_stream_seconds: float = 1.0
    # Delay before a refused subscription is retried.
    refusal_seconds: float = 5.0
    # A dead connection is detected within the sum of both, plus a second for the close handshake.
    # Each ping counts as a control message.
    ping_interval_seconds: float = 5.0
    ping_timeout_seconds: float = 5.0
    # Fulfillment keeps subscriptions for a while; this only avoids a reconnect between two symbols.
    idle_seconds: float = 10.0
    # The venue ends a connection after 24 h. We replace it earlier, by up to this random part of
    # the time, so that several connections do not rotate together.
    rotation_seconds: float = 23 * 3600.0
    rotation_part_sooner_max: float = 0.02
    # How often a rotation checks whether it may continue.
    rotation_look_seconds: float = 0.25
    # How long the old connection may take to deliver what the new one has buffered.
    overlap_seconds_max: float = 5.0
    # Streams that come and go must not delay a rotation forever.
    rotation_ready_seconds_max: float = 60.0
    # Between two depth requests that confirm old quotes of a symbol.
    confirmation_seconds: float = 1.0
    # A change shown by depth must arrive as a frame within this time, or the stream has stalled.
    stall_seconds: float = 2.0
    # After unread data for this long without a break, replaced quotes are skipped until the socket
    # is empty.
    behind_seconds: float = BEHIND_SECONDS
    # After this long without a frame above its stream's highest update id, reconnect.
    ids_back_seconds: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedLimits:
    """The limits of the feed toward the venue, and the bound of its frame buffer.

    ``control_messages_max`` within ``control_seconds`` counts pings; a pong cannot wait and may
    exceed it by one. The venue allows 5 a second and counts at its end of the network, so the extra
    quarter of a second allows for jitter. The venue bans an address above 300 connection attempts
    in five minutes.
    """

    control_messages_max: int = 3
    control_seconds: float = 1.25
    attempts_max: int = 250
    attempts_seconds: float = 300.0
    streams_max: int = STREAMS_MAX
    # Frames of a new connection while the old one delivers: half a minute of a busy venue.
    buffered_frames_max: int = 100_000

    @property
    def symbols_max(self) -> int:
        """How many symbols share a connection; one of its streams carries the time."""
        return self.streams_max - 1


VENUE_LIMITS: Final = FeedLimits()
"""The venue's limits, with a margin."""
