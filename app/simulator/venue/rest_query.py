"""The query parameters of a REST request, and Binance's errors for wrong ones."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

DEPTH_LEVELS_DEFAULT: Final = 100
DEPTH_LEVELS_MAX: Final = 5000

_SYMBOL: Final = re.compile(r"(?:(?![a-z])[\w\-.]){1,50}+")
_SYMBOL_RANGE: Final = r"^[\w\-._&&[^a-z]]{1,50}$"
_SYMBOLS: Final = re.compile(rf'\[(?:"{_SYMBOL.pattern}"(?:,"{_SYMBOL.pattern}")*)?\]')
_SYMBOLS_RANGE: Final = r"^\[(\"[\w\-._&&[^a-z]]{1,50}\"(,\"[\w\-._&&[^a-z]]{1,50}\"){0,}){0,1}\]$"
_NUMBER: Final = re.compile(r"[0-9]{1,20}", re.ASCII)
_INT_MAX: Final = 2**31 - 1
_LONG_MAX: Final = 2**63 - 1
_FILTER_STATUSES: Final = ("TRADING", "HALT", "BREAK")


Query = dict[str, str]
"""The parameters of a request by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """An endpoint: its parameters, its weight and its answer.

    ``scale`` of an answer is 1,000 for a client that asked for microseconds, else 1.
    """

    known: Collection[str]
    weigh: Callable[[Query], int]
    answer: Callable[[Query, int], object]


class RestRefusalError(Exception):
    """The venue refuses a request with status 400 and this code and text of Binance."""

    def __init__(self, code: int, message: str) -> None:
        self.code = code
        self.message = message
        super().__init__(message)


def read_query(text: str, *, known: Collection[str]) -> Query:
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


def mandatory_symbol(query: Query) -> str:
    """Return the parameter ``symbol``, which must be present."""
    symbol = mandatory(query, "symbol")
    if not _SYMBOL.fullmatch(symbol):
        raise _illegal("symbol", _SYMBOL_RANGE)
    return symbol


def wanted_symbols(query: Query) -> list[str] | None:
    """Return the symbols in ``symbol`` or ``symbols``; None if both are missing."""
    if "symbol" in query and "symbols" in query:
        raise RestRefusalError(-1128, "Combination of optional parameters invalid.")
    if "symbol" in query:
        return [mandatory_symbol(query)]
    if "symbols" in query:
        return _symbols(query["symbols"])
    return None


def wanted_status(query: Query) -> str | None:
    """Return the parameter ``symbolStatus``; None if it is missing.

    A listing may have another status than these three, for example END_OF_DAY; no value of the
    parameter finds it. "Valid values: TRADING, HALT, BREAK".
    """
    status = query.get("symbolStatus")
    if status is not None and status not in _FILTER_STATUSES:
        raise RestRefusalError(-1122, "Invalid symbolStatus.")
    return status


def depth_limit(query: Query) -> int:
    """Return the parameter ``limit`` of depth; Binance silently reduces a greater value."""
    return page_limit(query, default=DEPTH_LEVELS_DEFAULT, most=DEPTH_LEVELS_MAX)


def page_limit(query: Query, *, default: int = 500, most: int = 1_000) -> int:
    """Return the parameter ``limit``; Binance silently reduces a greater value to ``most``."""
    limit = whole_number(query, "limit", most=_INT_MAX)
    if limit is None:
        return default
    if limit == 0:
        raise RestRefusalError(-1130, "Data sent for parameter 'limit' is not valid.")
    return min(limit, most)


def whole_number(query: Query, name: str, *, most: int = _LONG_MAX) -> int | None:
    """Return a parameter of type INT or LONG; None if it is missing."""
    text = query.get(name)
    if text is None:
        return None
    if not text:
        raise RestRefusalError(-1105, f"Parameter '{name}' was empty.")
    if not _NUMBER.fullmatch(text):
        raise _illegal(name, "^[0-9]{1,20}$")
    if int(text) > most:
        raise RestRefusalError(-1108, f"Parameter '{name}' overflowed.")
    return int(text)


def mandatory(query: Query, name: str) -> str:
    """Return a parameter that must be present."""
    value = query.get(name, "")
    if not value:
        message = f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
        raise RestRefusalError(-1102, message)
    return value


def _symbols(text: str) -> list[str]:
    if not text:
        raise RestRefusalError(-1105, "Parameter 'symbols' was empty.")
    # Binance takes no white space, and no JSON but this.
    if not _SYMBOLS.fullmatch(text):
        raise _illegal("symbols", _SYMBOLS_RANGE)
    symbols = text[2:-2].split('","') if len(text) > len("[]") else []
    if not symbols:
        raise RestRefusalError(-1105, "Parameter 'symbols' was empty.")
    if len(set(symbols)) < len(symbols):
        raise RestRefusalError(-1101, "Duplicate values for a parameter detected.")
    return symbols


def _illegal(parameter: str, legal_range: str) -> RestRefusalError:
    message = (
        f"Illegal characters found in parameter '{parameter}'; legal range is '{legal_range}'."
    )
    return RestRefusalError(-1100, message)
