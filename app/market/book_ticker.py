"""Parse one frame of the venue's stream into one value; pure, no connection.

A book-ticker frame is
``{"u":400900217,"s":"BNBUSDT","b":"25.35","B":"31.21","a":"25.36","A":"40.66"}``: update id,
symbol, bid price and quantity, ask price and quantity. On a combined stream it arrives as
``{"stream":"bnbusdt@bookTicker","data":{...}}``. Unknown keys are ignored (futures frames carry e,
T, E and ps). No input makes this module raise.

A book ticker carries no time. A mini ticker does, once a second, and only its time is read:
``{"e":"24hrMiniTicker","E":1672515782136,"s":"BNBBTC",...}``, in milliseconds since 1970.

The fast path decodes a frame once, into a typed structure. It parses only the amounts that differ
from the last frame of the symbol: most frames change one side, and few change a price. Equal
amounts keep their ``Decimal`` object, so a matcher detects an unchanged price by identity.

Only a frame that does not fit is decoded a second time, to classify it. A frame that cannot be
decoded was usually cut off; its beginning may still name a symbol.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final, Literal

import msgspec

from app.domain.amounts import ZERO
from app.domain.amounts import parse_amount as _parse_amount
from app.domain.order import Symbol
from app.domain.quote import Quote
from app.exact_json import NESTING_LEVELS_MAX, is_nested_too_deeply

FRAME_BYTES_MAX: Final = 65_536
"""A book ticker has about 120 bytes; an answer to a control message may have many more."""

UPDATE_ID_MAX: Final = 2**63 - 1
"""The largest value of a 64-bit database column; the venue's ids have 11 digits today."""

TIME_MS_MAX: Final = 9_999_999_999_999
"""Thirteen digits, enough until 2286; a longer number would be microseconds."""

SYMBOL_CHARACTERS_MAX: Final = 64
"""Longer than any symbol; bounds the text that a dropped frame can put into a log."""

ERROR_CHARACTERS_MAX: Final = 200
"""Bounds the venue's error text, which is shown to operators."""

BEGINNING_CHARACTERS: Final = 512
"""Searched for the symbol of an unreadable frame; the venue names it in the first 200."""

_BOOK_TICKER: Final = "bookTicker"
_STREAM_SUFFIX: Final = f"@{_BOOK_TICKER}"
_MINI_TICKER: Final = "24hrMiniTicker"
_SHUTDOWN: Final = "serverShutdown"
_TICKER_KEYS: Final = frozenset({"u", "s", "b", "B", "a", "A"})
_AMOUNT_KEYS: Final = ("b", "B", "a", "A")
_UPDATE_KEYS: Final = frozenset({"u", "s"})
_NAMED_SYMBOL: Final = re.compile(r'"s":"(\w{1,64})"')
_NAMED_STREAM: Final = re.compile(rf'"stream":"(\w{{1,64}}){_STREAM_SUFFIX}"')
_ANSWER_KEYS: Final = frozenset({"result", "error", "code"})

SYMBOLS_REMEMBERED_MAX: Final = 4_096
"""More than the venue trades; beyond it the cache is cleared, which costs only time."""


class DropReason(StrEnum):
    """Why a frame was dropped; the last four are the values of ``Quote.malformation``.

    ``CONTRADICTORY``: the frame repeats a key, or has ticker keys beside an envelope, and only one
    of the two readings is valid.
    """

    NOT_JSON = "not_json"
    OVERSIZED = "oversized"
    FOREIGN = "foreign"
    MISSING_KEY = "missing_key"
    WRONG_TYPE = "wrong_type"
    NEGATIVE = "negative"
    NOT_AN_AMOUNT = "not_an_amount"
    CONTRADICTORY = "contradictory"
    UPDATE_ID_NOT_POSITIVE = "update_id_not_positive"
    BID_HALF_EMPTY = "bid_half_empty"
    ASK_HALF_EMPTY = "ask_half_empty"
    CROSSED = "crossed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgment:
    """The venue's answer to a control message; ``error`` is None if the venue agreed."""

    request_id: int | None
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShutdownNotice:
    """The venue is about to close the connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueTime:
    """The venue's clock when it made a frame, in milliseconds since 1970."""

    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """A frame that cannot be used.

    ``symbol`` is set if it could be read, so that the quote of that symbol can be distrusted.
    """

    reason: DropReason
    symbol: Symbol | None = None


ParsedFrame = Quote | Acknowledgment | ShutdownNotice | VenueTime | Drop

UpdateId = Annotated[int, msgspec.Meta(ge=1, le=UPDATE_ID_MAX)]


class _Ticker(msgspec.Struct, gc=False):
    u: UpdateId
    s: Symbol
    b: str
    B: str
    a: str
    A: str
    e: Literal["bookTicker"] = _BOOK_TICKER


class _Frame(msgspec.Struct, gc=False):
    """A raw or combined frame; the missing keys show which of the two it is."""

    u: UpdateId = 0
    s: Symbol = Symbol("")
    b: str = ""
    B: str = ""
    a: str = ""
    A: str = ""
    e: Literal["bookTicker"] = _BOOK_TICKER
    stream: str = ""
    data: _Ticker | None = None


_LastFrame = tuple[_Ticker | _Frame, Quote]
"""A symbol's last valid frame as decoded, and the quote parsed from it."""

_NO_FRAME: Final = _Frame(b="0", B="0", a="0", A="0")
"""Stands for the last frame of a symbol without one; its texts parse to the same amounts."""

_decode_frame = msgspec.json.Decoder(_Frame).decode
_decode_anything = msgspec.json.Decoder().decode


class FrameReader:
    """Reads frames in order and reuses the amounts of each symbol's last frame."""

    def __init__(self) -> None:
        self._last_frames: dict[Symbol, _LastFrame] = {}

    def read(self, frame: bytes | str, received_ns: int) -> ParsedFrame:
        """Parse a text frame; ``received_ns`` is the monotonic time of its arrival."""
        # The length is compared first, so a quote (at most 200 bytes) costs no call here.
        if len(frame) > NESTING_LEVELS_MAX and (problem := _size_problem(frame)):
            return _drop_unreadable(frame, problem)
        try:
            if not frame.isascii():
                _check_encoding(frame)
            wire = _decode_frame(frame)
            ticker: _Ticker | _Frame | None = wire.data
            if ticker is None:
                ticker = wire
            elif wire.stream != ticker.s.lower() + _STREAM_SUFFIX:
                return _classify(frame)  # the envelope names another stream
            if not ticker.s or not ticker.u:
                return _classify(frame)  # no book ticker, or a key is missing
            last, known = self._last_frames.get(ticker.s) or self._add_symbol(ticker.s)
            bid_price = known.bid_price if ticker.b == last.b else _parse_amount(ticker.b)
            bid_quantity = known.bid_quantity if ticker.B == last.B else _parse_amount(ticker.B)
            ask_price = known.ask_price if ticker.a == last.a else _parse_amount(ticker.a)
            ask_quantity = known.ask_quantity if ticker.A == last.A else _parse_amount(ticker.A)
        except ValueError:
            # msgspec, ``parse_amount`` and bad UTF-8 all raise ValueError.
            return _classify(frame)
        quote = Quote(
            known.symbol, ticker.u, bid_price, bid_quantity, ask_price, ask_quantity, received_ns
        )
        if not (bid_price and bid_quantity and ask_quantity and bid_price < ask_price):
            # A side is empty, which is valid, or the quote is malformed.
            malformation = quote.malformation
            if malformation is not None:
                return Drop(reason=DropReason(malformation), symbol=_shortened_symbol(quote.symbol))
        self._last_frames[known.symbol] = (ticker, quote)
        return quote

    def _add_symbol(self, symbol: Symbol) -> _LastFrame:
        """Make room for another symbol and return a substitute for its last frame."""
        if len(self._last_frames) >= SYMBOLS_REMEMBERED_MAX:
            self._last_frames.clear()  # invented names must not use unlimited memory
        return _NO_FRAME, Quote(symbol, 0, ZERO, ZERO, ZERO, ZERO, 0)


def parse_frame(frame: bytes | str, received_ns: int) -> ParsedFrame:
    """Parse a single frame, without earlier frames of its symbol."""
    return FrameReader().read(frame, received_ns)


def _size_problem(frame: bytes | str) -> DropReason | None:
    """Return why a frame is too long or too deeply nested; None if it is neither."""
    if len(frame) > FRAME_BYTES_MAX:
        return DropReason.OVERSIZED
    return DropReason.NOT_JSON if is_nested_too_deeply(frame) else None


def _check_encoding(frame: bytes | str) -> None:
    """Raise ValueError unless a frame is valid UTF-8.

    RFC 6455 section 5.6 requires UTF-8 text. The decoder does not check the text that it skips,
    such as the values of unknown keys.
    """
    if isinstance(frame, str):
        frame.encode()
    else:
        str(frame, "utf-8")


def _classify(frame: bytes | str) -> ParsedFrame:
    """Classify a frame that is not a valid book ticker."""
    try:
        message: object = _decode_anything(frame)
    except ValueError:
        return _drop_unreadable(frame, DropReason.NOT_JSON)
    if not isinstance(message, dict):
        return Drop(reason=DropReason.WRONG_TYPE)
    payload = message.get("data") if "stream" in message else message
    if not isinstance(payload, dict):
        return _drop_unreadable(frame, DropReason.WRONG_TYPE)
    return _classify_object(message, payload)


def _drop_unreadable(frame: bytes | str, reason: DropReason) -> Drop:
    """Drop a frame, with the symbol that its beginning names.

    A wrongly named symbol costs one depth request. An unnamed symbol would keep an outdated quote.
    """
    beginning = frame[:BEGINNING_CHARACTERS]
    # The cut may split a character, so decoding must not raise.
    text = beginning if isinstance(beginning, str) else str(beginning, "utf-8", "replace")
    if (named := _NAMED_SYMBOL.search(text)) is not None:
        return Drop(reason=reason, symbol=_shortened_symbol(named[1]))
    if (named := _NAMED_STREAM.search(text)) is not None:
        return Drop(reason=reason, symbol=_shortened_symbol(named[1].upper()))
    return Drop(reason=reason)


def _classify_object(message: dict[str, object], payload: dict[str, object]) -> ParsedFrame:
    """Classify a JSON object; ``payload`` is the object itself or its envelope's content."""
    stream = message.get("stream")
    # The venue documents two forms: an event of its own, and a stream ``!serverShutdown``.
    if payload.get("e") == _SHUTDOWN or stream == f"!{_SHUTDOWN}":
        return ShutdownNotice()
    if stream is None and payload is not message:
        return Drop(reason=DropReason.FOREIGN)
    if stream is None and _is_answer(message):
        return _acknowledgment(message)
    if payload.get("e") == _MINI_TICKER:
        return _venue_time(payload)
    return _drop_unsound(stream, payload)


def _venue_time(payload: dict[str, object]) -> VenueTime | Drop:
    """Read the time of a mini ticker; an invalid one affects no symbol's quote."""
    if "E" not in payload:
        return Drop(reason=DropReason.MISSING_KEY)
    at_ms = payload["E"]
    if type(at_ms) is not int or at_ms > TIME_MS_MAX:  # a bool is an int, too
        return Drop(reason=DropReason.WRONG_TYPE)
    return Drop(reason=DropReason.NEGATIVE) if at_ms < 0 else VenueTime(at_ms=at_ms)


def _is_answer(message: dict[str, object]) -> bool:
    """Whether a message answers a control message.

    A message with a symbol and an update id does not: it is an invalid book ticker, which makes the
    quote of its symbol worthless.
    """
    return not _ANSWER_KEYS.isdisjoint(message) and not message.keys() >= _UPDATE_KEYS


def _acknowledgment(message: dict[str, object]) -> Acknowledgment:
    """Read ``{"result":null,"id":1}``, ``{"error":{...},"id":1}`` or ``{"code":2,"msg":"..."}``."""
    request_id = message.get("id")
    error = message.get("error", message if "code" in message else None)
    if isinstance(error, dict):
        error = f"{_shortened_text(error.get('code'))}: {_shortened_text(error.get('msg'))}"
    return Acknowledgment(
        request_id=request_id if type(request_id) is int else None,  # a bool is an int, too
        error=None if error is None else _shortened_text(error),
    )


def _shortened_text(text: object) -> str:
    """Return the venue's text, shortened; converting nested values could raise."""
    return str(text)[:ERROR_CHARACTERS_MAX] if isinstance(text, str | int | float) else "unreadable"


def _drop_unsound(stream: object, payload: dict[str, object]) -> Drop:
    if not _is_book_ticker(stream, payload):
        return Drop(reason=DropReason.FOREIGN)
    symbol = payload.get("s")
    return Drop(
        reason=_drop_reason(payload),
        symbol=_shortened_symbol(symbol) if isinstance(symbol, str) else None,
    )


def _shortened_symbol(symbol: str) -> Symbol:
    return Symbol(symbol[:SYMBOL_CHARACTERS_MAX])


def _is_book_ticker(stream: object, payload: dict[str, object]) -> bool:
    """Whether the frame is meant as a book ticker, valid or not."""
    if payload.get("e", _BOOK_TICKER) != _BOOK_TICKER:
        return False
    if stream is None:
        return not _TICKER_KEYS.isdisjoint(payload)
    symbol = payload.get("s")
    if isinstance(symbol, str):
        return stream == symbol.lower() + _STREAM_SUFFIX
    return isinstance(stream, str) and stream.endswith(_STREAM_SUFFIX)


def _drop_reason(payload: dict[str, object]) -> DropReason:
    """Return why a book ticker was not accepted."""
    if not payload.keys() >= _TICKER_KEYS:
        return DropReason.MISSING_KEY
    symbol, update_id = payload["s"], payload["u"]
    if not isinstance(symbol, str) or not symbol:
        return DropReason.WRONG_TYPE
    if not isinstance(update_id, int) or isinstance(update_id, bool) or update_id > UPDATE_ID_MAX:
        return DropReason.WRONG_TYPE
    amounts = [amount for key in _AMOUNT_KEYS if isinstance(amount := payload[key], str)]
    if len(amounts) < len(_AMOUNT_KEYS):
        return DropReason.WRONG_TYPE
    return _value_drop_reason(update_id, amounts)


def _value_drop_reason(update_id: int, amounts: list[str]) -> DropReason:
    if any(amount.startswith("-") for amount in amounts):
        return DropReason.NEGATIVE
    if update_id <= 0:
        return DropReason.UPDATE_ID_NOT_POSITIVE
    try:
        for amount in amounts:
            _parse_amount(amount)
    except ValueError:
        return DropReason.NOT_AN_AMOUNT
    return DropReason.CONTRADICTORY
