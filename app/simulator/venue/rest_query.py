"""The query parameters of a REST request, and Binance's errors for wrong ones."""

import json
import re
from collections.abc import Collection
from typing import Final
from urllib.parse import parse_qsl

from app.exact_json import is_nested_too_deeply

DEPTH_LEVELS_DEFAULT: Final = 100
DEPTH_LEVELS_MAX: Final = 5000

_SYMBOL: Final = re.compile(r"(?:(?![a-z])[\w\-.]){1,50}")
_SYMBOL_RANGE: Final = r"^[\w\-._&&[^a-z]]{1,50}$"
_SYMBOLS_RANGE: Final = r"^\[(\"[\w\-._&&[^a-z]]{1,50}\"(,\"[\w\-._&&[^a-z]]{1,50}\"){0,}){0,1}\]$"
_NUMBER: Final = re.compile(r"[0-9]{1,20}", re.ASCII)
_FILTER_STATUSES: Final = ("TRADING", "HALT", "BREAK")


class RestRefusalError(Exception):
    """The venue refuses a request with status 400 and this code and text of Binance."""

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        self.message = message
        super().__init__(message)


def read_query(text: str, *, known: Collection[str]) -> dict[str, str]:
    """Return the parameters of a query string; each must be in ``known`` and appear once."""
    pairs = parse_qsl(text, keep_blank_values=True)
    query = dict(pairs)
    if len(query) != len(pairs):
        raise RestRefusalError(-1101, "Duplicate values for a parameter detected.")
    read = sum(name in known for name in query)
    if read < len(query):
        # Binance has another error for an endpoint that takes no parameters at all.
        if not known:
            message = f"Too many parameters; expected '0' and received '{len(query)}'."
            raise RestRefusalError(-1101, message)
        message = (
            f"Not all sent parameters were read; read '{read}' parameter(s) "
            f"but was sent '{len(query)}'."
        )
        raise RestRefusalError(-1104, message)
    return query


def mandatory_symbol(query: dict[str, str]) -> str:
    """Return the parameter ``symbol``, which must be present."""
    symbol = query.get("symbol", "")
    if not symbol:
        message = "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed."
        raise RestRefusalError(-1102, message)
    if not _SYMBOL.fullmatch(symbol):
        raise _illegal("symbol", _SYMBOL_RANGE)
    return symbol


def wanted_symbols(query: dict[str, str]) -> list[str] | None:
    """Return the symbols in ``symbol`` or ``symbols``; None if both are missing."""
    if "symbol" in query and "symbols" in query:
        raise RestRefusalError(-1128, "Combination of optional parameters invalid.")
    if "symbol" in query:
        return [mandatory_symbol(query)]
    if "symbols" in query:
        return _symbols(query["symbols"])
    return None


def wanted_status(query: dict[str, str]) -> str | None:
    """Return the parameter ``symbolStatus``; None if it is missing.

    A listing may have another status than these three, for example END_OF_DAY; no value of the
    parameter finds it. "Valid values: TRADING, HALT, BREAK".
    """
    status = query.get("symbolStatus")
    if status is not None and status not in _FILTER_STATUSES:
        raise RestRefusalError(-1122, "Invalid symbolStatus.")
    return status


def depth_limit(query: dict[str, str]) -> int:
    """Return the parameter ``limit`` of depth; Binance silently reduces a greater value."""
    text = query.get("limit", str(DEPTH_LEVELS_DEFAULT))
    if not _NUMBER.fullmatch(text):
        raise _illegal("limit", "^[0-9]{1,20}$")
    if int(text) == 0:
        raise RestRefusalError(-1130, "Data sent for parameter 'limit' is not valid.")
    return min(int(text), DEPTH_LEVELS_MAX)


def _symbols(text: str) -> list[str]:
    # json.loads would raise RecursionError, and the request would get status 500.
    if is_nested_too_deeply(text):
        raise _illegal("symbols", _SYMBOLS_RANGE)
    try:
        symbols = json.loads(text)
    except ValueError:
        raise _illegal("symbols", _SYMBOLS_RANGE) from None
    if not isinstance(symbols, list) or not symbols:
        raise _illegal("symbols", _SYMBOLS_RANGE)
    for symbol in symbols:
        if not isinstance(symbol, str) or not _SYMBOL.fullmatch(symbol):
            raise _illegal("symbols", _SYMBOLS_RANGE)
    return symbols


def _illegal(parameter: str, legal_range: str) -> RestRefusalError:
    message = (
        f"Illegal characters found in parameter '{parameter}'; legal range is '{legal_range}'."
    )
    return RestRefusalError(-1100, message)
