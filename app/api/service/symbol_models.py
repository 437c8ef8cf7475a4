"""The response models of ``GET /symbols/{symbol}``: the trading rules and the current quote."""

from typing import Self

from pydantic import Field

from app.api.models import ResponseModel, SetAmount
from app.api.service.feed_models import NANOSECONDS_PER_MILLISECOND, SymbolFeed
from app.api.service.readiness import rules_age_seconds
from app.api.service.service_state import Instant
from app.domain import quote as domain
from app.domain.rules import TradingRules
from app.ports import FeedState, RulesState


class Rules(ResponseModel):
    """The venue's filters for a symbol; null where it sets no such limit."""

    price_min: SetAmount = Field(description="Lowest price, in the quote asset.")
    price_max: SetAmount = Field(description="Highest price, in the quote asset.")
    tick_size: SetAmount = Field(description="Prices are multiples of it, in the quote asset.")
    quantity_min: SetAmount = Field(description="Smallest quantity, in the base asset.")
    quantity_max: SetAmount = Field(description="Largest quantity, in the base asset.")
    step_size: SetAmount = Field(description="Quantities are multiples of it, in the base asset.")
    notional_min: SetAmount = Field(description="Least price times quantity, in the quote asset.")
    notional_max: SetAmount = Field(description="Most price times quantity, in the quote asset.")


class Quote(ResponseModel):
    """Best bid and best ask as the venue shows them; null on an empty side."""

    update_id: int = Field(ge=1, description="The venue's number of the quote.")
    bid_price: SetAmount = Field(description="Highest displayed price to buy, in the quote asset.")
    bid_quantity: SetAmount = Field(description="Quantity displayed at it, in the base asset.")
    ask_price: SetAmount = Field(description="Lowest displayed price to sell, in the quote asset.")
    ask_quantity: SetAmount = Field(description="Quantity displayed at it, in the base asset.")
    age_milliseconds: int = Field(
        ge=0, description="How long ago it was received, in milliseconds."
    )

    @classmethod
    def of(cls, quote: domain.Quote, instant: Instant) -> Self:
        """Return the response model of a quote."""
        return cls(
            update_id=quote.update_id,
            bid_price=quote.bid_price,
            bid_quantity=quote.bid_quantity,
            ask_price=quote.ask_price,
            ask_quantity=quote.ask_quantity,
            age_milliseconds=instant.age_ns(quote.received_ns) // NANOSECONDS_PER_MILLISECOND,
        )


class Symbol(ResponseModel):
    """A symbol: its trading rules, its current quote, the state of the feed."""

    symbol: str = Field(description="Trading pair, upper case.")
    status: str = Field(
        description="The venue's status, at most a few seconds old while the venue answers. Orders "
        "are accepted and filled while it is `TRADING`. `NOT_TRADING` means that a halt is known, "
        "but not yet the venue's word for it."
    )
    base_asset: str = Field(description="The asset that is bought or sold.")
    quote_asset: str = Field(description="The asset that prices are in.")
    rules: Rules = Field(description="What the venue accepts.")
    rules_age_seconds: int = Field(ge=0, description="How long ago the venue gave these rules.")
    subscribed: bool = Field(
        description="Whether the service follows the symbol: an order of it is or was just open. "
        "Asking does not subscribe."
    )
    live: bool = Field(
        description="Whether the symbol trades, is subscribed and has a quote of the present "
        "connection, so that orders fill."
    )
    quote: Quote | None = Field(
        description="What a resting order would meet now; null while the symbol is not live."
    )
    feed: SymbolFeed = Field(description="The connection to the venue.")

    @classmethod
    def of(
        cls,
        rules: TradingRules,
        *,
        is_subscribed: bool,
        quote: domain.Quote | None,
        rules_state: RulesState,
        feed: FeedState,
        instant: Instant,
    ) -> Self:
        """Return the response model of a symbol.

        Args:
            rules: The venue's filters for the symbol.
            is_subscribed: Whether the feed follows the symbol.
            quote: The current quote, ``None`` while the symbol is not live.
            rules_state: The state of all trading rules, for their age.
            feed: The state of the connection to the venue.
            instant: The instant of the answer, from which ages are counted.
        """
        age_seconds = rules_age_seconds(rules_state, instant)
        assert age_seconds is not None, "a symbol is known from loaded rules"
        return cls(
            symbol=rules.symbol,
            status=rules.status,
            base_asset=rules.base_asset,
            quote_asset=rules.quote_asset,
            rules=Rules.model_validate(rules),
            rules_age_seconds=age_seconds,
            subscribed=is_subscribed,
            live=quote is not None,
            quote=None if quote is None else Quote.of(quote, instant),
            feed=feed,
        )
