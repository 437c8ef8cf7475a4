"""What the venue allows its clients, in Binance's numbers of 2025."""

import dataclasses
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
    disconnected." ``connection_attempts_max``: "There is a limit of 300 connections per attempt
    every 5 minutes per IP." ``weight_per_minute_max`` is the request weight of one address.

    Who goes on after a refusal (429) is banned (418) with the refusal after
    ``refusals_before_ban``, a number of ours, since Binance names none; "IP bans are tracked and
    scale in duration for repeat offenders, from 2 minutes to 3 days", here by doubling.

    ``unsent_bytes_max`` bounds what waits for a client that reads too slowly; beyond it the
    connection is cut. All times are in seconds.
    """

    messages_per_second_max: int = 5
    message_window_seconds: float = 1.0
    ping_interval_seconds: float = 20.0
    pong_timeout_seconds: float = 60.0
    connection_seconds_max: float = 24 * 3600.0
    connection_attempts_max: int = 300
    connection_window_seconds: float = 300.0
    weight_per_minute_max: int = 6_000
    weight_window_seconds: float = 60.0
    refusals_before_ban: int = 20
    ban_seconds_min: float = 120.0
    ban_seconds_max: float = 3 * 24 * 3600.0
    unsent_bytes_max: int = 4 * 1024 * 1024

    def scaled(self, factor: float) -> "VenueLimits":
        """Return limits whose every window, rhythm and ban is ``factor`` times shorter.

        How much fits into a window stays: scaled by 60, an hour of a client's life passes in a
        minute, and a client that keeps to the limits at 60 times its pace still does.
        """
        if not factor > 0:
            raise ValueError("limits are scaled by a factor above 0")
        shorter = {
            field.name: getattr(self, field.name) / factor
            for field in dataclasses.fields(self)
            if "_seconds" in field.name
        }
        return dataclasses.replace(self, **shorter)


BINANCE_LIMITS: Final = VenueLimits()
