"""What the venue allows its clients, in Binance's numbers of 2025."""

from dataclasses import dataclass
from typing import Final

STREAMS_MAX: Final = 1024
"""Binance: "A single connection can listen to a maximum of 1024 streams." """


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueLimits:
    """The venue's limits and rhythms; tests shorten the times.

    ``messages_per_second_max``: "WebSocket connections have a limit of 5 incoming messages per
    second", PING and PONG frames included. ``pong_timeout_seconds``: "If the WebSocket server does
    not receive a pong frame back from the connection within a minute the connection will be
    disconnected." ``weight_per_minute_max`` is the request weight of one address.
    ``unsent_bytes_max`` bounds what waits for a client that reads too slowly; beyond it the
    connection is cut.
    """

    messages_per_second_max: int = 5
    ping_interval_seconds: float = 20.0
    pong_timeout_seconds: float = 60.0
    connection_seconds_max: float = 24 * 3600.0
    weight_per_minute_max: int = 6_000
    unsent_bytes_max: int = 4 * 1024 * 1024


BINANCE_LIMITS: Final = VenueLimits()
