"""Malformed frames that a client must not accept as quotes; each kind changes a sound quote."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from app.simulator.market.venue_quotes import EMPTY, VenueQuote

OVERSIZED_BYTES: Final = 2 * 1024 * 1024
"""Twice the message size that client libraries accept by default."""

NESTING: Final = 100_000
DIGITS: Final = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A text or binary frame with exactly these bytes."""

    payload: bytes
    is_text: bool = True


def _changed(quote: VenueQuote, **changes: object) -> str:
    """Return the data of a quote with other values, or with keys added at the end."""
    return _dump({**json.loads(quote.data), **changes})


def _dump(fields: object) -> str:
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class GarbageKind:
    """How a frame is spoiled.

    Attributes:
        data: makes the data from a quote.
        whole: makes the message from the data, raw or wrapped for a combined stream.
        is_sound: whether the frame is still a valid quote.
    """

    data: Callable[[VenueQuote], str] = _changed
    whole: Callable[[str], Message] = lambda text: Message(payload=text.encode())
    is_sound: bool = False


def _replaced_by(text: str) -> Callable[[str], Message]:
    return lambda _: Message(payload=text.encode())


def _truncated(text: str) -> Message:
    raw = text.encode()
    return Message(payload=raw[: len(raw) // 2])


def _crossed(quote: VenueQuote) -> str:
    """Swap the prices of both sides; if a side is empty, use two crossed prices."""
    # A swap crosses the book only if both sides have a price and the prices differ.
    if EMPTY in {quote.bid_price, quote.ask_price} or quote.bid_price == quote.ask_price:
        return _changed(quote, b="2.00000000", B="1.00000000", a="1.00000000", A="1.00000000")
    return _changed(quote, b=quote.ask_price, a=quote.bid_price)


def _missing_key(quote: VenueQuote) -> str:
    fields = json.loads(quote.data)
    del fields["A"]
    return _dump(fields)


def _long_number(quote: VenueQuote) -> str:
    return _changed(quote).replace(f'"u":{quote.update_id}', f'"u":{"9" * DIGITS}', 1)


def _extra_keys(quote: VenueQuote) -> str:
    """Add keys of the futures stream in front of the quote."""
    extra = {"e": "bookTicker", "ps": quote.symbol, "T": 1_568_014_460_891, "E": 0}
    return _dump({**extra, **json.loads(quote.data)})


GARBAGE: Final[Mapping[str, GarbageKind]] = {
    "truncated": GarbageKind(whole=_truncated),
    "binary": GarbageKind(whole=lambda _: Message(payload=bytes(range(256)), is_text=False)),
    # RFC 6455: a client must fail the connection if a text frame is not valid UTF-8.
    "invalid_utf8": GarbageKind(
        whole=lambda text: Message(payload=text.encode()[:-2] + b'\xff\xfe"}'),
    ),
    "non_json": GarbageKind(whole=_replaced_by("<html><body>Oops</body></html>")),
    "empty": GarbageKind(whole=_replaced_by("")),
    "null": GarbageKind(data=lambda _: "null"),
    "list": GarbageKind(data=lambda _: "[1,2,3]"),
    # Recursive JSON readers overflow their stack.
    "nested": GarbageKind(whole=_replaced_by("[" * NESTING)),
    "oversized": GarbageKind(data=lambda quote: _changed(quote, pad="x" * OVERSIZED_BYTES)),
    # Python refuses to convert an integer with more than 4,300 digits.
    "long_number": GarbageKind(data=_long_number),
    # Binance lists symbols with such characters, but this market does not.
    "non_ascii": GarbageKind(data=lambda quote: _changed(quote, s="币安人生USDT")),
    "unknown_symbol": GarbageKind(data=lambda quote: _changed(quote, s="NOPENOPE")),
    "wrong_type": GarbageKind(
        data=lambda quote: _changed(quote, u=str(quote.update_id), b=[], A=None)
    ),
    "missing_key": GarbageKind(data=_missing_key),
    "negative": GarbageKind(data=lambda quote: _changed(quote, a="-1.00000000")),
    "negative_quantity": GarbageKind(data=lambda quote: _changed(quote, A="-1.00000000")),
    "negative_id": GarbageKind(data=lambda quote: _changed(quote, u=-1)),
    # A valid empty side has neither a price nor a quantity.
    "zero": GarbageKind(data=lambda quote: _changed(quote, a=EMPTY, A="1.00000000")),
    "nan": GarbageKind(data=lambda quote: _changed(quote, a="NaN")),
    "infinity": GarbageKind(data=lambda quote: _changed(quote, a="Infinity")),
    # A decimal that is legal but takes a million digits in plain notation.
    "exponent": GarbageKind(data=lambda quote: _changed(quote, A="1E+999999")),
    "crossed": GarbageKind(data=_crossed),
    # A client must ignore unknown keys.
    "extra_keys": GarbageKind(data=_extra_keys, is_sound=True),
}
"""All kinds of garbage, by name."""


def garbage_kind(name: str) -> GarbageKind:
    """Return the kind with this name.

    Raises:
        ValueError: there is no such kind.
    """
    if name not in GARBAGE:
        raise ValueError(f"garbage is one of {', '.join(GARBAGE)}, not {name[:40]!r}")
    return GARBAGE[name]


def garbage_message(kind: str, quote: VenueQuote, *, stream: str | None) -> Message:
    """Return a spoiled frame, wrapped for the combined stream ``stream`` if that is given.

    Raises:
        ValueError: there is no such kind.
    """
    spoiled = garbage_kind(kind)
    data = spoiled.data(quote)
    return spoiled.whole(data if stream is None else f'{{"stream":"{stream}","data":{data}}}')
