"""The response models of the connections to the venue."""

from collections.abc import Mapping
from typing import Any, Final, Literal, Self

from pydantic import Field

from app import ports
from app.api.models import ResponseModel, Time
from app.api.service.service_state import Instant
from app.ports import DeskState

NANOSECONDS_PER_MILLISECOND: Final = 1_000_000

LOST: Final = "lost_"
FAILED: Final = "failed_"
DROPPED: Final = "dropped_"
"""Prefixes of the feed's counters that go by cause or reason. A new cause needs no change here: it
appears under its own name."""

FeedStatus = Literal["idle", "connecting", "connected", "down"]


class SymbolFeed(ResponseModel):
    """The state of the connection to the venue."""

    status: FeedStatus = Field(
        description="`idle` while nothing is subscribed, else `connecting`, `connected` or `down`."
    )
    cause: str | None = Field(
        description="What is wrong, with the connection or with a symbol's depth, else null.",
        examples=["connection refused"],
    )
    since: Time = Field(description="Since when, UTC.")


class Lagging(SymbolFeed):
    """The state of a connection, with how far it is behind the venue."""

    lag_milliseconds: int | None = Field(
        description="Our time at which a frame was read, less the venue's at which it came about; "
        "below 0 if our clock is behind the venue's. Null while the venue tells no time."
    )
    excess_lag_milliseconds: int | None = Field(
        ge=0,
        description="The lag beyond the smallest one of the last five minutes, which takes out "
        "the clocks' difference and the network: time for which frames waited.",
    )


class Connection(Lagging):
    """One connection to the venue."""

    streams: int = Field(ge=0, description="How many symbols it serves.")


class FeedState(Lagging):
    """The connections to the venue and their counters; they do not decide readiness.

    Counts begin with the process.
    """

    connections: list[Connection] = Field(
        description="Each connection: 1,023 symbols share one, and another takes over from one "
        "that is replaced. The feed has the status of the worst of them."
    )
    symbols: int = Field(ge=0, description="How many symbols are subscribed.")
    live_symbols: int = Field(
        ge=0, description="How many of them have a current quote, so that orders fill."
    )
    newest_quote_age_milliseconds: int | None = Field(
        ge=0, description="How long ago the newest current quote was received; null without any."
    )
    oldest_quote_age_milliseconds: int | None = Field(
        ge=0,
        description="How long ago the oldest current quote was received; a quiet symbol has an old "
        "quote that is good.",
    )
    lost: dict[str, int] = Field(
        description="Connections that were lost, by cause; each is replaced."
    )
    failed: dict[str, int] = Field(description="Attempts to connect that failed, by cause.")
    dropped: dict[str, int] = Field(description="Frames that were dropped, by reason.")
    counters: dict[str, int] = Field(
        description="All other counters by name: connections, frames, seeds."
    )

    @classmethod
    def with_quotes(cls, feed: ports.FeedState, desk: DeskState, instant: Instant) -> Self:
        """Return the whole state of the feed, with the ages of the desk's quotes."""
        by_cause = (LOST, FAILED, DROPPED)
        return cls(
            **_lagging(feed),
            connections=[
                Connection(**_lagging(one), streams=one.streams) for one in feed.connections
            ],
            symbols=feed.symbols,
            live_symbols=desk.symbols_live,
            newest_quote_age_milliseconds=milliseconds_since(desk.newest_quote_ns, instant),
            oldest_quote_age_milliseconds=milliseconds_since(desk.oldest_quote_ns, instant),
            lost=_counted(feed.counters, LOST),
            failed=_counted(feed.counters, FAILED),
            dropped=_counted(feed.counters, DROPPED),
            counters={
                name: count
                for name, count in feed.counters.items()
                if not name.startswith(by_cause)
            },
        )


def split_counters(counters: Mapping[str, int], prefix: str) -> dict[str, int]:
    """Return the counters whose names begin with ``prefix``, by the rest of their names."""
    return {
        name.removeprefix(prefix): count
        for name, count in sorted(counters.items())
        if name.startswith(prefix)
    }


def milliseconds_since(instant_ns: int | None, instant: Instant) -> int | None:
    """Return how long ago something was on the monotonic clock, ``None`` if it never was."""
    if instant_ns is None:
        return None
    return instant.age_ns(instant_ns) // NANOSECONDS_PER_MILLISECOND


def _lagging(state: ports.FeedState | ports.ConnectionState) -> dict[str, Any]:
    """Return the fields of ``Lagging``."""
    lag = state.lag
    return {
        "status": state.status,
        "cause": state.cause,
        "since": state.since,
        "lag_milliseconds": None if lag is None else round(lag.seconds * 1_000),
        "excess_lag_milliseconds": None if lag is None else round(lag.excess_seconds * 1_000),
    }


def _counted(counters: Mapping[str, int], prefix: str) -> dict[str, int]:
    """Return the counters by cause, without causes that never occurred."""
    return {cause: count for cause, count in split_counters(counters, prefix).items() if count}
