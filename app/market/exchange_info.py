"""Parse an exchangeInfo body into trading rules; pure.

The format has changed over the years: PERCENT_PRICE became PERCENT_PRICE_BY_SIDE, MIN_NOTIONAL
became NOTIONAL, and keys and filters were added. So only the used parts are read, per symbol. An
unreadable symbol is left out and counted; the other symbols are unaffected.
"""

from dataclasses import dataclass, replace

import msgspec

from app.domain.amounts import parse_amount
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


# The venue disables a part of a filter by 0, so a missing part restricts nothing.
class _PriceFilter(msgspec.Struct, rename="camel", gc=False):
    min_price: str = "0"
    max_price: str = "0"
    tick_size: str = "0"


class _LotSize(msgspec.Struct, rename="camel", gc=False):
    min_qty: str = "0"
    max_qty: str = "0"
    step_size: str = "0"


class _Notional(msgspec.Struct, rename="camel", gc=False):
    min_notional: str = "0"
    max_notional: str = "0"


_decode_body = msgspec.json.Decoder(_Body).decode
_decode_symbol = msgspec.json.Decoder(_SymbolInfo).decode
_decode_filter_name = msgspec.json.Decoder(_FilterName).decode
_decode_price_filter = msgspec.json.Decoder(_PriceFilter).decode
_decode_lot_size = msgspec.json.Decoder(_LotSize).decode
_decode_notional = msgspec.json.Decoder(_Notional).decode


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
    rules = TradingRules(
        symbol=Symbol(info.symbol),
        status=info.status,
        base_asset=info.base_asset,
        quote_asset=info.quote_asset,
    )
    for raw_filter in info.filters:
        rules = _add_filter(rules, raw_filter)
    return rules


def _add_filter(rules: TradingRules, raw: msgspec.Raw) -> TradingRules:
    match _decode_filter_name(raw).filter_type:
        case "PRICE_FILTER":
            price_filter = _decode_price_filter(raw)
            return replace(
                rules,
                price_min=parse_amount(price_filter.min_price),
                price_max=parse_amount(price_filter.max_price),
                tick_size=parse_amount(price_filter.tick_size),
            )
        case "LOT_SIZE":
            lot_size = _decode_lot_size(raw)
            return replace(
                rules,
                quantity_min=parse_amount(lot_size.min_qty),
                quantity_max=parse_amount(lot_size.max_qty),
                step_size=parse_amount(lot_size.step_size),
            )
        case "MIN_NOTIONAL" | "NOTIONAL":
            notional = _decode_notional(raw)
            # A symbol may carry both filters while the venue migrates; the stricter minimum counts.
            return replace(
                rules,
                notional_min=max(rules.notional_min, parse_amount(notional.min_notional)),
                notional_max=max(rules.notional_max, parse_amount(notional.max_notional)),
            )
        case _:
            return rules  # an unused filter never matters, in any form
