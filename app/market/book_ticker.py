"""One frame of the venue's stream to one value; pure, and apart from the connection.

A book-ticker frame is ``{"u":400900217,"s":"BNBUSDT","b":"25.35","B":"31.21","a":"25.36",
"A":"40.66"}``: update id, symbol, bid price and quantity, ask price and quantity. On a combined
stream it comes as ``{"stream":"bnbusdt@bookTicker","data":{...}}``. Keys we do not know are ignored
(the futures' frames carry e, T, E and ps). No exception leaves this module, whatever comes.

A book ticker has no time. One comes once a second in a mini ticker, of which nothing else is read:
``{"e":"24hrMiniTicker","E":1672515782136,"s":"BNBBTC",...}``, milliseconds since 1970.

The fast path decodes a frame once, into a typed structure, and reads only the amounts that differ
from those of the symbol's last frame: most frames change one side, few a price. What is the same
stays the same object, by which a matcher sees at once that a touch did not change. Only a frame
that does not fit is decoded a second time, to say what it is instead. Of what cannot be decoded,
cut off on its way most often, the beginning may still name a symbol.
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
"""A book ticker has about 120 bytes; this leaves room for any answer to a control message."""

UPDATE_ID_MAX: Final = 2**63 - 1
"""What a database column of 64 bits holds; the venue's ids have 11 digits today."""

TIME_MS_MAX: Final = 9_999_999_999_999
"""Thirteen digits, which last until 2286; what has more is in microseconds."""

SYMBOL_CHARACTERS_MAX: Final = 64
"""Longer than any symbol: a dropped frame names its symbol, but echoes nothing at length."""

ERROR_CHARACTERS_MAX: Final = 200
"""What the venue says of a refusal is shown to operators, but not at any length."""

BEGINNING_CHARACTERS: Final = 512
"""Where a frame that cannot be read may name its symbol; the venue does within 200."""

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
"""More than the venue trades; beyond it all are forgotten, which costs time and nothing else."""


class DropReason(StrEnum):
    """Why a frame was dropped; the last four are what ``Quote.malformation`` says.

    A contradictory one has a key twice, or keys of a ticker beside those of an envelope, of which
    one would do and the other would not.
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
    """The venue's answer to a control message; ``error`` is None if it agreed."""

    request_id: int | None
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShutdownNotice:
    """The venue is about to close the connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueTime:
    """What the venue's clock showed when a frame came about, in milliseconds since 1970."""

    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """A frame of no use; ``symbol`` as far as it could be read, to distrust that symbol's quote."""

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
    """Raw and combined frames at once; a key that is missing says which of them it is."""

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
"""What a symbol's last sound frame said, and what was read from it."""

_EMPTY: Final = _Frame(b="0", B="0", a="0", A="0")
"""Stands for the last frame of a symbol that has none: what it says is read like this as well."""

_decode_frame = msgspec.json.Decoder(_Frame).decode
_decode_anything = msgspec.json.Decoder().decode


class FrameReader:
    """Reads frames one after the other, each beside the last one of its symbol."""

    def __init__(self) -> None:
        self._last_frames: dict[Symbol, _LastFrame] = {}

    def read(self, frame: bytes | str, received_ns: int) -> ParsedFrame:
        """Say what a text frame is; ``received_ns`` is the monotonic instant of its arrival."""
        # The comparison first: a quote, of 200 bytes at most, takes no call.
        if len(frame) > NESTING_LEVELS_MAX and (excess := _excess(frame)):
            return _unread(frame, excess)
        try:
            if not frame.isascii():
                _check_encoding(frame)
            wire = _decode_frame(frame)
            ticker: _Ticker | _Frame | None = wire.data
            if ticker is None:
                ticker = wire
            elif wire.stream != ticker.s.lower() + _STREAM_SUFFIX:
                return _classify(frame)
            if not ticker.s or not ticker.u:
                return _classify(frame)
            told, read = self._last_frames.get(ticker.s) or self._begin_symbol(ticker.s)
            bid_price = read.bid_price if ticker.b == told.b else _parse_amount(ticker.b)
            bid_quantity = read.bid_quantity if ticker.B == told.B else _parse_amount(ticker.B)
            ask_price = read.ask_price if ticker.a == told.a else _parse_amount(ticker.a)
            ask_quantity = read.ask_quantity if ticker.A == told.A else _parse_amount(ticker.A)
        except ValueError:
            # msgspec's errors and those of ``parse_amount`` are ValueErrors, and so is bad UTF-8.
            return _classify(frame)
        quote = Quote(
            read.symbol, ticker.u, bid_price, bid_quantity, ask_price, ask_quantity, received_ns
        )
        if not (bid_price and bid_quantity and ask_quantity and bid_price < ask_price):
            # Not both sides are there, which may be right.
            malformation = quote.malformation
            if malformation is not None:
                return Drop(reason=DropReason(malformation), symbol=_shown(quote.symbol))
        self._last_frames[read.symbol] = (ticker, quote)
        return quote

    def _begin_symbol(self, symbol: Symbol) -> _LastFrame:
        """Make room for the frames of one more symbol."""
        if len(self._last_frames) >= SYMBOLS_REMEMBERED_MAX:
            self._last_frames.clear()
        return _EMPTY, Quote(symbol, 0, ZERO, ZERO, ZERO, ZERO, 0)


def parse_frame(frame: bytes | str, received_ns: int) -> ParsedFrame:
    """Say what a frame is that comes alone."""
    return FrameReader().read(frame, received_ns)


def _excess(frame: bytes | str) -> DropReason | None:
    """Return why a frame is too long or too deep to be read; None if it is neither."""
    if len(frame) > FRAME_BYTES_MAX:
        return DropReason.OVERSIZED
    return DropReason.NOT_JSON if is_nested_too_deeply(frame) else None


def _check_encoding(frame: bytes | str) -> None:
    """Raise ValueError unless a frame is UTF-8, as text is to be (RFC 6455 section 5.6).

    The decoder looks at no text that it skips, that of keys we do not know.
    """
    if isinstance(frame, str):
        frame.encode()
    else:
        str(frame, "utf-8")


def _classify(frame: bytes | str) -> ParsedFrame:
    """Say what a frame is that is no sound book ticker."""
    try:
        message: object = _decode_anything(frame)
    except ValueError:
        return _unread(frame, DropReason.NOT_JSON)
    if not isinstance(message, dict):
        return Drop(reason=DropReason.WRONG_TYPE)
    payload = message.get("data") if "stream" in message else message
    if not isinstance(payload, dict):
        return _unread(frame, DropReason.WRONG_TYPE)
    return _classify_object(message, payload)


def _unread(frame: bytes | str, reason: DropReason) -> Drop:
    """Say whose frame it was, as far as its beginning tells.

    One named wrongly costs a depth request; one not named keeps a quote that is gone.
    """
    beginning = frame[:BEGINNING_CHARACTERS]
    text = beginning if isinstance(beginning, str) else str(beginning, "utf-8", "replace")
    if (named := _NAMED_SYMBOL.search(text)) is not None:
        return Drop(reason=reason, symbol=_shown(named[1]))
    if (named := _NAMED_STREAM.search(text)) is not None:
        return Drop(reason=reason, symbol=_shown(named[1].upper()))
    return Drop(reason=reason)


def _classify_object(message: dict[str, object], payload: dict[str, object]) -> ParsedFrame:
    """Likewise, of an object; ``payload`` is the whole of it, or what its envelope holds."""
    stream = message.get("stream")
    if payload.get("e") == _SHUTDOWN or stream == f"!{_SHUTDOWN}":
        return ShutdownNotice()
    if stream is None and payload is not message:
        return Drop(reason=DropReason.FOREIGN)
    if stream is None and _is_answer(message):
        return _acknowledgment(message)
    if payload.get("e") == _MINI_TICKER:
        return _venue_time(payload)
    return _unsound(stream, payload)


def _venue_time(payload: dict[str, object]) -> VenueTime | Drop:
    """Read the time of a mini ticker; one without concerns no symbol's quote."""
    if "E" not in payload:
        return Drop(reason=DropReason.MISSING_KEY)
    at_ms = payload["E"]
    if type(at_ms) is not int or at_ms > TIME_MS_MAX:  # True is no 1
        return Drop(reason=DropReason.WRONG_TYPE)
    return Drop(reason=DropReason.NEGATIVE) if at_ms < 0 else VenueTime(at_ms=at_ms)


def _is_answer(message: dict[str, object]) -> bool:
    """Whether a message answers a control message; one that names an update of a symbol does not.

    A book ticker that did not pass makes its symbol's quote worthless, whatever stands beside it.
    """
    return not _ANSWER_KEYS.isdisjoint(message) and not message.keys() >= _UPDATE_KEYS


def _acknowledgment(message: dict[str, object]) -> Acknowledgment:
    """Read ``{"result":null,"id":1}``, ``{"error":{...},"id":1}`` or ``{"code":2,"msg":"..."}``."""
    request_id = message.get("id")
    trouble = message.get("error", message if "code" in message else None)
    if isinstance(trouble, dict):
        trouble = f"{_words(trouble.get('code'))}: {_words(trouble.get('msg'))}"
    return Acknowledgment(
        request_id=request_id if type(request_id) is int else None,  # True is no 1
        error=None if trouble is None else _words(trouble),
    )


def _words(told: object) -> str:
    """Return what the venue says, cut short; writing out what is nested may end in an error."""
    return str(told)[:ERROR_CHARACTERS_MAX] if isinstance(told, str | int | float) else "unreadable"


def _unsound(stream: object, payload: dict[str, object]) -> Drop:
    if not _is_book_ticker(stream, payload):
        return Drop(reason=DropReason.FOREIGN)
    symbol = payload.get("s")
    return Drop(
        reason=_fault(payload),
        symbol=_shown(symbol) if isinstance(symbol, str) else None,
    )


def _shown(symbol: str) -> Symbol:
    return Symbol(symbol[:SYMBOL_CHARACTERS_MAX])


def _is_book_ticker(stream: object, payload: dict[str, object]) -> bool:
    """Whether the frame is meant as a book ticker, sound or not."""
    if payload.get("e", _BOOK_TICKER) != _BOOK_TICKER:
        return False
    if stream is None:
        return not _TICKER_KEYS.isdisjoint(payload)
    symbol = payload.get("s")
    if isinstance(symbol, str):
        return stream == symbol.lower() + _STREAM_SUFFIX
    return isinstance(stream, str) and stream.endswith(_STREAM_SUFFIX)


def _fault(payload: dict[str, object]) -> DropReason:
    """Say what is wrong with a book ticker that did not pass."""
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
    return _fault_of_values(update_id, amounts)


def _fault_of_values(update_id: int, amounts: list[str]) -> DropReason:
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
