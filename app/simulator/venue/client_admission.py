"""Limits per client address: request weight, connection attempts and bans.

Binance: "A 429 will be returned when either rate limit is violated. ... Repeatedly violating rate
limits and/or failing to back off after receiving 429s will result in an automated IP ban (HTTP
status 418)." A ban applies to REST requests and to handshakes.
"""

import math
from collections import deque
from typing import Final

from websockets.http11 import Response

from app.ports import Clock
from app.simulator.market.venue_quotes import epoch_ms
from app.simulator.venue.http_answers import (
    BANNED,
    TOO_MANY_REQUESTS,
    banned_message,
    json_answer,
)
from app.simulator.venue.observations import Observations, ViolationKind
from app.simulator.venue.venue_limits import VenueLimits

ADDRESSES_MAX: Final = 1_000
"""Addresses remembered; the oldest is dropped to make room for a new address."""

_SECONDS_PER_NS: Final = 1e-9


class _Usage:
    """What one address has used; the weight counts in the current window only."""

    def __init__(self, limits: VenueLimits) -> None:
        self.window = -1
        self.weight = 0
        self.attempts_at: deque[float] = deque(maxlen=limits.connection_attempts_max)
        self.refusals = 0
        self.banned_until_ms = 0
        self.ban_seconds = limits.ban_seconds_min


class Admission:
    """Counts requests and connection attempts per address, and records violations."""

    def __init__(self, *, clock: Clock, limits: VenueLimits, observations: Observations) -> None:
        self._clock = clock
        self._limits = limits
        self._observations = observations
        self._window_ms = max(1, round(limits.weight_window_seconds * 1000))
        self._usages: dict[str, _Usage] = {}

    def used_weight(self, address: str) -> int:
        """Return the weight that an address has used in the current window."""
        return self._usage(address).weight

    def spend(self, address: str, weight: int) -> Response | None:
        """Count a request; return a refusal if the address is over its limit or banned."""
        usage = self._usage(address)
        if banned := self._ban_of(usage):
            return banned
        # A refused request counts too, so a client does not get through by repeating it.
        usage.weight += weight
        if usage.weight <= self._limits.weight_per_minute_max:
            # The client waited as asked, so earlier refusals no longer lead to a ban.
            usage.refusals = 0
            return None
        message = (
            f"Too much request weight used; current limit is {self._limits.weight_per_minute_max} "
            "request weight per 1 MINUTE. Please use WebSocket Streams for live updates to avoid "
            "polling the API."
        )
        wait_seconds = (self._window_ms - epoch_ms(self._clock) % self._window_ms) / 1000
        return self._refuse(usage, ViolationKind.REQUEST_WEIGHT, wait_seconds, message)

    def connect(self, address: str) -> Response | None:
        """Count a connection attempt; return a refusal if the address made too many.

        Refused attempts do not count towards the limit.
        """
        usage = self._usage(address)
        if banned := self._ban_of(usage):
            return banned
        now = self._now()
        attempts_at = usage.attempts_at
        # "There is a limit of 300 connections per attempt every 5 minutes per IP." The deque holds
        # the newest attempts, and the oldest of them must leave the window first.
        if len(attempts_at) == attempts_at.maxlen:
            wait_seconds = attempts_at[0] + self._limits.connection_window_seconds - now
            if wait_seconds > 0:
                message = (
                    f"Too many requests; current limit is {attempts_at.maxlen} connection "
                    "attempts per 5 MINUTE."
                )
                return self._refuse(usage, ViolationKind.CONNECTION_ATTEMPTS, wait_seconds, message)
        attempts_at.append(now)
        return None

    def _usage(self, address: str) -> _Usage:
        usage = self._usages.get(address)
        if usage is None:
            # Without this bound a client with many source addresses would fill the memory.
            if len(self._usages) >= ADDRESSES_MAX:
                del self._usages[next(iter(self._usages))]
            usage = self._usages[address] = _Usage(self._limits)
        # A window is a minute of the clock at Binance. It does not start at the first request.
        window = epoch_ms(self._clock) // self._window_ms
        if usage.window != window:
            usage.window = window
            usage.weight = 0
        return usage

    def _refuse(
        self, usage: _Usage, kind: ViolationKind, wait_seconds: float, message: str
    ) -> Response:
        """Refuse a client, and ban it after too many refusals in a row."""
        self._note(kind)
        usage.refusals += 1
        if usage.refusals <= self._limits.refusals_before_ban:
            return _refusal(TOO_MANY_REQUESTS, message, wait_seconds)
        self._note(ViolationKind.BAN)
        usage.refusals = 0
        usage.banned_until_ms = epoch_ms(self._clock) + round(usage.ban_seconds * 1000)
        # "IP bans are tracked and scale in duration for repeat offenders."
        usage.ban_seconds = min(2 * usage.ban_seconds, self._limits.ban_seconds_max)
        return self._banned(usage)

    def _ban_of(self, usage: _Usage) -> Response | None:
        if epoch_ms(self._clock) >= usage.banned_until_ms:
            return None
        self._note(ViolationKind.WHILE_BANNED)
        return self._banned(usage)

    def _banned(self, usage: _Usage) -> Response:
        left_seconds = (usage.banned_until_ms - epoch_ms(self._clock)) / 1000
        return _refusal(BANNED, banned_message(usage.banned_until_ms), left_seconds)

    def _note(self, kind: ViolationKind) -> None:
        self._observations.note_violation(kind, at=self._now())

    def _now(self) -> float:
        return self._clock.monotonic_ns() * _SECONDS_PER_NS


def _refusal(status: int, message: str, wait_seconds: float) -> Response:
    """Return the answer to a client over a limit."""
    retry_after = str(max(1, math.ceil(wait_seconds)))
    return json_answer(
        status, {"code": -1003, "msg": message}, headers={"Retry-After": retry_after}
    )
