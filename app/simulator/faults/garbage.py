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

_Fields = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A text or binary frame with exactly these bytes."""

    payload: bytes
    is_text: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class GarbageKind:
    """How a frame is spoiled.

    Attributes:
        words: the description of the kind.
        data: makes the data from a quote.
        whole: makes the message from the data, raw or wrapped for a combined stream.
        is_sound: whether the frame is still a valid quote.
    """

    words: str
    data: Callable[[VenueQuote], str]
    whole: Callable[[str], Message] = lambda text: Message(payload=text.encode())
    is_sound: bool = False


def _fields(quote: VenueQuote) -> _Fields:
    return {
        "u": quote.update_id,
        "s": quote.symbol,
        "b": quote.bid_price,
        "B": quote.bid_quantity,
        "a": quote.ask_price,
        "A": quote.ask_quantity,
    }


def _dump(fields: _Fields) -> str:
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False)


def _plain(quote: VenueQuote) -> str:
    return _dump(_fields(quote))


def _changed(**changes: object) -> Callable[[VenueQuote], str]:
    return lambda quote: _dump({**_fields(quote), **changes})


def _instead(text: str) -> Callable[[str], Message]:
    return lambda _: Message(payload=text.encode())


def _truncated(text: str) -> Message:
    raw = text.encode()
    return Message(payload=raw[: len(raw) // 2])


def _crossed(quote: VenueQuote) -> str:
    """Swap the prices of both sides; if a side is empty, use two crossed prices."""
    # A swap crosses the book only if both sides have a price and the prices differ.
    if EMPTY in {quote.bid_price, quote.ask_price} or quote.bid_price == quote.ask_price:
        return _changed(b="2.00000000", B="1.00000000", a="1.00000000", A="1.00000000")(quote)
    return _changed(b=quote.ask_price, a=quote.bid_price)(quote)


def _zero(quote: VenueQuote) -> str:
    """Set the ask price to zero, with a quantity; a valid empty side has neither."""
    return _changed(a=EMPTY, A="1.00000000")(quote)


def _wrong_type(quote: VenueQuote) -> str:
    return _dump({**_fields(quote), "u": str(quote.update_id), "b": [], "A": None})


def _missing_key(quote: VenueQuote) -> str:
    fields = _fields(quote)
    del fields["A"]
    return _dump(fields)


def _oversized(quote: VenueQuote) -> str:
    return _changed(pad="x" * OVERSIZED_BYTES)(quote)


def _long_number(quote: VenueQuote) -> str:
    return _plain(quote).replace(f'"u":{quote.update_id}', f'"u":{"9" * DIGITS}', 1)


def _extra_keys(quote: VenueQuote) -> str:
    """Add keys of the futures stream to the quote."""
    extra: _Fields = {"e": "bookTicker", "ps": quote.symbol, "T": 1_568_014_460_891, "E": 0}
    return _dump({**extra, **_fields(quote)})


GARBAGE: Final[Mapping[str, GarbageKind]] = {
    "truncated": GarbageKind(words="half a frame", data=_plain, whole=_truncated),
    "binary": GarbageKind(
        words="a binary frame with all byte values",
        data=_plain,
        whole=lambda _: Message(payload=bytes(range(256)), is_text=False),
    ),
    "invalid_utf8": GarbageKind(
        words="a text frame that is not UTF-8; a client must close with 1007",
        data=_plain,
        whole=lambda text: Message(payload=text.encode()[:-2] + b'\xff\xfe"}'),
    ),
    "non_json": GarbageKind(
        words="a page of HTML", data=_plain, whole=_instead("<html><body>Oops</body></html>")
    ),
    "empty": GarbageKind(words="an empty frame", data=_plain, whole=_instead("")),
    "null": GarbageKind(words="null instead of data", data=lambda _: "null"),
    "list": GarbageKind(words="a list instead of data", data=lambda _: "[1,2,3]"),
    "nested": GarbageKind(
        words=f"{NESTING:,} opening brackets", data=_plain, whole=_instead("[" * NESTING)
    ),
    "oversized": GarbageKind(words=f"a quote of {OVERSIZED_BYTES:,} bytes", data=_oversized),
    "long_number": GarbageKind(words=f"an update id of {DIGITS:,} digits", data=_long_number),
    "non_ascii": GarbageKind(words="a symbol in Chinese", data=_changed(s="币安人生USDT")),
    "unknown_symbol": GarbageKind(words="an unlisted symbol", data=_changed(s="NOPENOPE")),
    "wrong_type": GarbageKind(words="values of wrong types", data=_wrong_type),
    "missing_key": GarbageKind(words="no ask quantity", data=_missing_key),
    "negative": GarbageKind(words="a negative ask price", data=_changed(a="-1.00000000")),
    "negative_quantity": GarbageKind(
        words="a negative ask quantity", data=_changed(A="-1.00000000")
    ),
    "negative_id": GarbageKind(words="update id -1", data=_changed(u=-1)),
    "zero": GarbageKind(words="an ask price of zero with a quantity", data=_zero),
    "nan": GarbageKind(words="an ask price of NaN", data=_changed(a="NaN")),
    "infinity": GarbageKind(words="an ask price of Infinity", data=_changed(a="Infinity")),
    "exponent": GarbageKind(words="an ask quantity of 1E+999999", data=_changed(A="1E+999999")),
    "crossed": GarbageKind(words="bid above ask", data=_crossed),
    "extra_keys": GarbageKind(
        words="a sound quote with additional keys", data=_extra_keys, is_sound=True
    ),
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
