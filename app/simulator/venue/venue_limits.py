"""The limits that the venue applies to its clients: Binance's numbers of 2025."""

import dataclasses
from dataclasses import dataclass
from typing import Final

STREAMS_MAX: Final = 1024
"""Binance: "A single connection can listen to a maximum of 1024 streams." """


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueLimits:
    """The limits and intervals of the venue; tests shorten the times.

    Attributes:
        messages_per_second_max: "WebSocket connections have a limit of 5 incoming messages per
            second", PING and PONG frames included.
        message_window_seconds: the window of this limit.
        ping_interval_seconds: the time between two pings.
        pong_timeout_seconds: "If the WebSocket server does not receive a pong frame back from the
            connection within a minute the connection will be disconnected."
        connection_seconds_max: the lifetime of a connection, 24 hours at Binance.
        connection_attempts_max: "There is a limit of 300 connections per attempt every 5 minutes
            per IP."
        connection_window_seconds: the window of this limit.
        weight_per_minute_max: the request weight of one address.
        weight_window_seconds: the window of this limit.
        refusals_before_ban: the refusals (429) in a row after which a client is banned (418);
            Binance publishes no number.
        ban_seconds_min: the length of the first ban. "IP bans are tracked and scale in duration
            for repeat offenders, from 2 minutes to 3 days"; here each ban is twice as long.
        ban_seconds_max: the length of the longest ban.
        unsent_bytes_max: the bytes that may wait for a slow client before it is cut.
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
        """Return limits whose windows, intervals and bans are ``factor`` times shorter.

        The counts stay the same: with a factor of 60, a client may send 60 times as fast, and a
        connection lives 24 minutes instead of 24 hours.
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
