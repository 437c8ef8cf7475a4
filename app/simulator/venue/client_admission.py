"""Who may come in: what each address has used up, and the bans of those who do not heed a refusal.

Binance: "A 429 will be returned when either rate limit is violated. ... Repeatedly violating rate
limits and/or failing to back off after receiving 429s will result in an automated IP ban (HTTP
status 418)." A ban holds for requests and handshakes alike.
"""

import math
from collections import deque
from dataclasses import dataclass
from typing import Final

from app.ports import Clock
from app.simulator.venue.observations import Observations, ViolationKind
from app.simulator.venue.request_weight import WeightMeter
from app.simulator.venue.venue_limits import VenueLimits

ADDRESSES_MAX: Final = 1_000
"""Addresses remembered; beyond that the one that came first is forgotten."""

TOO_MANY_REQUESTS: Final = 429
BANNED: Final = 418

_SECONDS_PER_NS: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why an address is not served: 429 for now, or 418 until its ban is over."""

    status: int
    retry_after_seconds: int
    message: str

    @property
    def body(self) -> dict[str, object]:
        """The venue's JSON for it."""
        return {"code": -1003, "msg": self.message}


class _Account:
    """What one address has used."""

    def __init__(self, clock: Clock, limits: VenueLimits) -> None:
        self.meter = WeightMeter(
            clock,
            weight_max=limits.weight_per_minute_max,
            window_seconds=limits.weight_window_seconds,
        )
        self.attempts_at: deque[float] = deque(maxlen=limits.connection_attempts_max)
        self.refusals = 0
        self.banned_until_ms = 0
        self.ban_seconds = limits.ban_seconds_min


class Admission:
    """Counts requests and connection attempts by address; what goes over a limit is noted."""

    def __init__(self, *, clock: Clock, limits: VenueLimits, observations: Observations) -> None:
        self._clock = clock
        self._limits = limits
        self._observations = observations
        self._accounts: dict[str, _Account] = {}

    def used_weight(self, address: str) -> int:
        """Return the weight that an address has used in the present window."""
        return self._account(address).meter.used

    def spend(self, address: str, weight: int) -> Refusal | None:
        """Count a request; return a refusal if the address may not have it."""
        account = self._account(address)
        if banned := self._ban_of(account):
            return banned
        wait_seconds = account.meter.spend(weight)
        if wait_seconds is None:
            account.refusals = 0
            return None
        message = (
            f"Too much request weight used; current limit is {self._limits.weight_per_minute_max} "
            "request weight per 1 MINUTE. Please use WebSocket Streams for live updates to avoid "
            "polling the API."
        )
        return self._refuse(account, ViolationKind.REQUEST_WEIGHT, wait_seconds, message)

    def connect(self, address: str) -> Refusal | None:
        """Count a connection attempt; only those that are let through use up the limit."""
        account = self._account(address)
        if banned := self._ban_of(account):
            return banned
        now = self._now()
        attempts_at = account.attempts_at
        if len(attempts_at) == attempts_at.maxlen:
            wait_seconds = attempts_at[0] + self._limits.connection_window_seconds - now
            if wait_seconds > 0:
                message = (
                    f"Too many requests; current limit is {attempts_at.maxlen} connection "
                    "attempts per 5 MINUTE."
                )
                return self._refuse(
                    account, ViolationKind.CONNECTION_ATTEMPTS, wait_seconds, message
                )
        attempts_at.append(now)
        return None

    def _account(self, address: str) -> _Account:
        account = self._accounts.get(address)
        if account is None:
            if len(self._accounts) >= ADDRESSES_MAX:
                del self._accounts[next(iter(self._accounts))]
            account = self._accounts[address] = _Account(self._clock, self._limits)
        return account

    def _refuse(
        self, account: _Account, kind: ViolationKind, wait_seconds: float, message: str
    ) -> Refusal:
        """Refuse once more; who does not heed it is banned, each time for twice as long."""
        self._note(kind)
        account.refusals += 1
        if account.refusals <= self._limits.refusals_before_ban:
            retry_after_seconds = max(1, math.ceil(wait_seconds))
            return Refusal(
                status=TOO_MANY_REQUESTS, retry_after_seconds=retry_after_seconds, message=message
            )
        self._note(ViolationKind.BAN)
        account.refusals = 0
        account.banned_until_ms = self._now_ms() + round(account.ban_seconds * 1000)
        account.ban_seconds = min(2 * account.ban_seconds, self._limits.ban_seconds_max)
        return self._banned(account)

    def _ban_of(self, account: _Account) -> Refusal | None:
        if self._now_ms() >= account.banned_until_ms:
            return None
        self._note(ViolationKind.WHILE_BANNED)
        return self._banned(account)

    def _banned(self, account: _Account) -> Refusal:
        left_ms = account.banned_until_ms - self._now_ms()
        return Refusal(
            status=BANNED,
            retry_after_seconds=max(1, math.ceil(left_ms / 1000)),
            message=banned_message(account.banned_until_ms),
        )

    def _note(self, kind: ViolationKind) -> None:
        self._observations.note_violation(kind, at=self._now())

    def _now(self) -> float:
        return self._clock.monotonic_ns() * _SECONDS_PER_NS

    def _now_ms(self) -> int:
        return int(self._clock.now().timestamp() * 1000)


def banned_message(until_ms: int) -> str:
    """Return the venue's words for a ban that ends at this epoch time in milliseconds."""
    return (
        f"Way too much request weight used; IP banned until {until_ms}. Please use the websocket "
        "for live updates to avoid bans."
    )
