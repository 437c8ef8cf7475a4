"""The wire shapes of what the service says of itself and the venue: probes, symbols, the feed."""

from typing import Literal

from pydantic import Field

from app.api.orders.shapes import Amount, Problem, Shape, Time

FeedStatus = Literal["idle", "connecting", "connected", "down"]


class Rules(Shape):
    """The venue's filters for a symbol; null where it sets no such limit."""

    price_min: Amount | None = Field(
        description="Lowest price, in the quote asset.", examples=["0.000001"]
    )
    price_max: Amount | None = Field(
        description="Highest price, in the quote asset.", examples=["100000"]
    )
    tick_size: Amount | None = Field(
        description="Prices are multiples of it, in the quote asset.", examples=["0.000001"]
    )
    quantity_min: Amount | None = Field(
        description="Smallest quantity, in the base asset.", examples=["0.001"]
    )
    quantity_max: Amount | None = Field(
        description="Largest quantity, in the base asset.", examples=["100000"]
    )
    step_size: Amount | None = Field(
        description="Quantities are multiples of it, in the base asset.", examples=["0.001"]
    )
    notional_min: Amount | None = Field(
        description="Least price times quantity, in the quote asset.", examples=["0.0001"]
    )
    notional_max: Amount | None = Field(
        description="Most price times quantity, in the quote asset.", examples=["9000000"]
    )


class Quote(Shape):
    """Best bid and best ask as the venue shows them; null on an empty side."""

    update_id: int = Field(
        ge=1, description="The venue's number of the quote.", examples=[1742578152]
    )
    bid_price: Amount | None = Field(
        description="Highest displayed price to buy, in the quote asset.", examples=["0.000911"]
    )
    bid_quantity: Amount | None = Field(
        description="Quantity displayed at it, in the base asset.", examples=["568.906"]
    )
    ask_price: Amount | None = Field(
        description="Lowest displayed price to sell, in the quote asset.", examples=["0.000912"]
    )
    ask_quantity: Amount | None = Field(
        description="Quantity displayed at it, in the base asset.", examples=["74.3"]
    )
    age_milliseconds: int = Field(
        ge=0, description="How long ago it was received, in milliseconds.", examples=[132]
    )


class SymbolFeed(Shape):
    """How the connection to the venue is."""

    status: FeedStatus = Field(
        description="`idle` while nothing is subscribed, else `connecting`, `connected` or `down`.",
        examples=["connected"],
    )
    cause: str | None = Field(
        description="What is wrong, with the connection or with a symbol's depth, else null.",
        examples=["connection refused"],
    )
    since: Time = Field(description="Since when, UTC.", examples=["2025-10-07T08:31:30.917204Z"])


class Symbol(Shape):
    """A symbol: its trading rules, its current quote, the state of the feed."""

    symbol: str = Field(description="Trading pair, upper case.", examples=["LTCBTC"])
    status: str = Field(
        description="The venue's status; orders are accepted while it is `TRADING`.",
        examples=["TRADING"],
    )
    base_asset: str = Field(description="The asset that is bought or sold.", examples=["LTC"])
    quote_asset: str = Field(description="The asset that prices are in.", examples=["BTC"])
    rules: Rules = Field(description="What the venue accepts.")
    rules_age_seconds: int = Field(
        ge=0, description="How long ago the venue gave these rules.", examples=[2520]
    )
    subscribed: bool = Field(
        description="Whether the service follows the symbol: an order of it is or was just open. "
        "Asking does not subscribe.",
        examples=[True],
    )
    live: bool = Field(
        description="Whether the symbol is subscribed and has a quote of the present connection, "
        "so that orders fill.",
        examples=[True],
    )
    quote: Quote | None = Field(
        description="What a resting order would meet now; null while the symbol is not live."
    )
    feed: SymbolFeed = Field(description="The connection to the venue.")


class Health(Shape):
    """The process runs."""

    status: Literal["ok"] = Field(description="Always `ok`.", examples=["ok"])
    version: str = Field(description="Version of the service.", examples=["0.1.0"])


class JournalState(Shape):
    """The database."""

    writable: bool = Field(description="Whether the last write went through.", examples=[True])


class RecordingState(Shape):
    """The recording that `papertape verify` reads."""

    active: bool = Field(description="Whether it goes on.", examples=[True])
    cause: str | None = Field(
        description="What keeps it from going on; orders do not wait for it.", examples=[None]
    )


class Recovery(Shape):
    """The orders that were open at the last stop."""

    done: bool = Field(description="Whether they were read back.", examples=[True])


class RulesState(Shape):
    """The trading rules."""

    source: Literal["venue", "stored", "none"] = Field(
        description="Where they come from: the venue, the copy stored last, or nowhere yet.",
        examples=["venue"],
    )
    loaded_at: Time | None = Field(
        description="When they were loaded, UTC.", examples=["2025-10-07T08:30:30.917204Z"]
    )
    symbols: int = Field(ge=0, description="How many symbols they cover.", examples=[1483])
    age_seconds: int | None = Field(
        ge=0, description="How long ago that was; null while there are none.", examples=[2520]
    )
    cause: str | None = Field(
        description="What failed last, else null.", examples=["connection refused"]
    )
    failures: int = Field(
        ge=0, description="How often the venue could not be asked, since the start.", examples=[1]
    )


class Lagging(SymbolFeed):
    """How far behind the venue what is read now is."""

    lag_milliseconds: int | None = Field(
        description="Our time at which a frame was read, less the venue's at which it came about; "
        "below 0 if our clock is behind the venue's. Null while the venue tells no time.",
        examples=[45],
    )
    excess_lag_milliseconds: int | None = Field(
        ge=0,
        description="What goes beyond the smallest lag of the last five minutes, which takes out "
        "the clocks' difference and the network: time for which frames waited.",
        examples=[3],
    )


class Connection(Lagging):
    """One connection to the venue."""

    streams: int = Field(ge=0, description="How many symbols it serves.", examples=[1])


class FeedState(Lagging):
    """The connections to the venue and what came over them; they do not decide readiness.

    Counts are those since the start.
    """

    connections: list[Connection] = Field(
        description="Each connection: 1,023 symbols share one, and another takes over from one "
        "that is replaced. The worst of them is how the feed is."
    )
    symbols: int = Field(ge=0, description="How many symbols are subscribed.", examples=[1])
    live_symbols: int = Field(
        ge=0,
        description="How many of them have a current quote, so that orders fill.",
        examples=[1],
    )
    newest_quote_age_milliseconds: int | None = Field(
        ge=0,
        description="How long ago the newest current quote was received; null without any.",
        examples=[132],
    )
    oldest_quote_age_milliseconds: int | None = Field(
        ge=0,
        description="Likewise the oldest one: a quiet symbol has an old quote that is good.",
        examples=[132],
    )
    lost: dict[str, int] = Field(
        description="Connections that were lost, by cause; each is replaced.",
        examples=[{"keepalive": 1}],
    )
    failed: dict[str, int] = Field(
        description="Attempts to connect that failed, by cause.", examples=[{"refused": 2}]
    )
    dropped: dict[str, int] = Field(
        description="Frames that were dropped, by reason.", examples=[{"not_json": 1}]
    )
    counters: dict[str, int] = Field(
        description="Everything else that is counted: connections, frames, seeds, by name.",
        examples=[{"connections": 2, "frames": 18233}],
    )


class Readiness(Shape):
    """Whether orders can be accepted durably."""

    ready: bool = Field(description="Whether they can.", examples=[True])
    missing: list[Literal["journal", "recovery", "rules"]] = Field(
        description="What keeps orders from being accepted.", examples=[[]]
    )
    journal: JournalState = Field(description="The database.")
    recording: RecordingState | None = Field(
        description="The recording, `null` unless one is wanted.", examples=[None]
    )
    recovery: Recovery = Field(description="The orders that were open at the last stop.")
    rules: RulesState = Field(description="The trading rules.")
    feed: FeedState = Field(description="The connection to the venue.")


class ReadyAlone(Shape):
    """Whether orders can be accepted durably, and nothing else: there was no valid key."""

    ready: bool = Field(description="Whether they can.", examples=[True])


class NotReadyAlone(ReadyAlone, Problem):
    """The service cannot accept orders; only a valid key is told why."""


class NotReady(Readiness, Problem):
    """The service cannot accept orders; `missing` says why."""
