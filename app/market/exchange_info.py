"""Parse an exchangeInfo body into trading rules; pure.

The format has changed over the years: PERCENT_PRICE became PERCENT_PRICE_BY_SIDE, MIN_NOTIONAL
became NOTIONAL, and keys and filters were added. So only the used parts are read, per symbol. An
unreadable symbol is left out and counted; the other symbols are unaffected.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import msgspec

from app.domain.amounts import ZERO, parse_amount
from app.domain.order import Symbol
from app.domain.rules import TradingRules
from app.domain.symbols import SYMBOL_CHARACTERS_MAX


class UnreadableExchangeInfoError(ValueError):
    """The body is not an exchangeInfo body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedExchangeInfo:
    """The rules of a body, in its order, and the number of unreadable symbols."""

    rules: tuple[TradingRules, ...]
    symbols_skipped: int


class _Body(msgspec.Struct, gc=False):
    symbols: list[msgspec.Raw]


class _SymbolInfo(msgspec.Struct, rename="camel", gc=False):
    symbol: str
    status: str
    base_asset: str
    quote_asset: str
    filters: list[msgspec.Raw]


class _FilterName(msgspec.Struct, rename="camel", gc=False):
    filter_type: str


_NOTIONAL: Final = {"minNotional": "notional_min", "maxNotional": "notional_max"}
_FIELDS: Final = {
    "PRICE_FILTER": {"minPrice": "price_min", "maxPrice": "price_max", "tickSize": "tick_size"},
    "LOT_SIZE": {"minQty": "quantity_min", "maxQty": "quantity_max", "stepSize": "step_size"},
    "MIN_NOTIONAL": _NOTIONAL,
    "NOTIONAL": _NOTIONAL,
}
"""The fields of ``TradingRules`` by filter and key; an unused filter never matters, in any form."""

_decode_body = msgspec.json.Decoder(_Body).decode
_decode_symbol = msgspec.json.Decoder(_SymbolInfo).decode
_decode_filter_name = msgspec.json.Decoder(_FilterName).decode
_decode_filter = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_text = msgspec.json.Decoder(str).decode


def parse_exchange_info(body: bytes) -> ParsedExchangeInfo:
    """Parse the trading rules of every symbol.

    Raises:
        UnreadableExchangeInfoError: the body is not JSON, or has no list of symbols.
    """
    try:
        symbols = _decode_body(body).symbols
    except (ValueError, RecursionError) as error:
        raise UnreadableExchangeInfoError("not an exchangeInfo body") from error
    rules = []
    for raw in symbols:
        try:
            rules.append(_read_symbol(raw))
        except (ValueError, RecursionError):
            continue  # deep nesting raises RecursionError
    return ParsedExchangeInfo(rules=tuple(rules), symbols_skipped=len(symbols) - len(rules))


def _read_symbol(raw: msgspec.Raw) -> TradingRules:
    info = _decode_symbol(raw)
    if not 0 < len(info.symbol) <= SYMBOL_CHARACTERS_MAX or not info.status:
        raise ValueError("a symbol without a usable name or status")
    amounts: dict[str, Decimal] = {}
    for raw_filter in info.filters:
        _read_filter(raw_filter, amounts)
    return TradingRules(
        symbol=Symbol(info.symbol),
        status=info.status,
        base_asset=info.base_asset,
        quote_asset=info.quote_asset,
        **amounts,
    )


def _read_filter(raw: msgspec.Raw, amounts: dict[str, Decimal]) -> None:
    """Add the amounts of a used filter."""
    fields = _FIELDS.get(_decode_filter_name(raw).filter_type)
    if fields is None:
        return
    parts = _decode_filter(raw)
    for key in fields.keys() & parts.keys():  # the venue disables a part by 0, or by leaving it out
        amount = parse_amount(_decode_text(parts[key]))
        # A symbol may carry both notional filters while the venue migrates; the stricter counts.
        amounts[fields[key]] = max(amounts.get(fields[key], ZERO), amount)
