"""A plain and slow reader of frames, which gives the right results of the parser.

It follows the venue's documentation and the design, and shares only the types of the results with
the parser. For a contradictory frame (a repeated key, or keys of a ticker beside keys of an
envelope) several results are right. A quote is right only with exactly the digits of the frame.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from app.domain.quote import Quote
from app.market.book_ticker import Acknowledgment, Drop, DropReason, ShutdownNotice, VenueTime

FRAME_CHARACTERS_MAX: Final = 65_536
UPDATE_ID_MAX: Final = 9_223_372_036_854_775_807
SYMBOL_CHARACTERS_MAX: Final = 64
BEGINNING_CHARACTERS: Final = 512
"""The part of an unreadable frame in which the symbol is searched."""

ERROR_CHARACTERS_MAX: Final = 200
DIGITS: Final = frozenset("0123456789")
WHOLE_DIGITS_MAX: Final = 16
FRACTION_DIGITS_MAX: Final = 12
INTEGER_DIGITS_READABLE: Final = 4_300
"""Python converts no longer text to an integer, and a reader may refuse it as invalid JSON."""

NESTING_READABLE: Final = 300
"""Deeper nesting is refused on every Python version."""

_HALF_CHARACTER: Final = re.compile(r"\\u[dD][89a-fA-F]")
"""Escapes of surrogates. The standard does not define the value of a single one."""

AMOUNT_KEYS: Final = ("b", "B", "a", "A")
TICKER_KEYS: Final = ("u", "s", *AMOUNT_KEYS)
ENVELOPE_KEYS: Final = ("stream", "data")
ANSWER_KEYS: Final = ("result", "error", "code")
TIME_MS_MAX: Final = 9_999_999_999_999
ALL_REASONS: Final = frozenset(DropReason)

Frame = bytes | bytearray | str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """The content of a sound book ticker."""

    symbol: str
    update_id: int
    amounts: tuple[Decimal | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """The right results for a frame: one quote, a drop for one of ``reasons``, or another kind.

    ``symbols`` are the symbols that a drop may name. If the frame is nested too deeply for this
    reader (``is_unreadable``), a quote only has to be possible.
    """

    quote: Sound | None = None
    reasons: frozenset[DropReason] = frozenset()
    symbols: frozenset[str | None] = frozenset({None})
    answers: tuple[Acknowledgment, ...] = ()
    times_ms: frozenset[int] = frozenset()
    is_shutdown: bool = False
    is_unreadable: bool = False


class Object(dict[str, object]):
    """A JSON object with the set of its repeated keys."""

    def __init__(self, pairs: Sequence[tuple[str, object]]) -> None:
        super().__init__(pairs)
        self.repeated = frozenset(
            key for key in self if sum(other == key for other, _ in pairs) > 1
        )


class Reading:
    """One frame read as JSON; another reader may refuse it if ``is_extreme``."""

    def __init__(self, frame: Frame) -> None:
        self.is_extreme = False
        self.is_json = True
        self.is_unreadable = False
        self.message: object = None
        try:
            text = frame if isinstance(frame, str) else bytes(frame).decode("utf-8")
            text.encode("utf-8")  # surrogates cannot be sent as UTF-8
            self.is_extreme = (
                text.count("[") + text.count("{") > NESTING_READABLE
                or _HALF_CHARACTER.search(text) is not None
            )
            self.message = json.loads(
                text,
                parse_constant=self._refuse,
                parse_float=self._read_float,
                parse_int=self._read_int,
                object_pairs_hook=Object,
            )
        except ValueError:
            self.is_json = False
        except RecursionError:
            self.is_unreadable = True

    def _refuse(self, constant: str) -> object:
        raise ValueError(constant)  # NaN and Infinity are no JSON (RFC 8259 section 6)

    def _read_float(self, text: str) -> float:
        number = float(text)
        self.is_extreme |= number in {float("inf"), float("-inf")}
        return number

    def _read_int(self, text: str) -> int:
        if len(text) > INTEGER_DIGITS_READABLE:
            self.is_extreme = True
            text = text[:INTEGER_DIGITS_READABLE]
        return int(text)


def expected(frame: Frame) -> Expectation:
    """Return the right results of the parser."""
    named = frozenset({symbol_named_in(frame)})
    if len(frame) > FRAME_CHARACTERS_MAX:
        return Expectation(reasons=frozenset({DropReason.OVERSIZED}), symbols=named)
    reading = Reading(frame)
    if reading.is_unreadable:
        return Expectation(is_unreadable=True)
    if not reading.is_json:
        reasons = ALL_REASONS if reading.is_extreme else frozenset({DropReason.NOT_JSON})
        return Expectation(reasons=reasons, symbols=named)
    expectation = _expected_of(reading.message, named)
    if reading.is_extreme:
        return replace(
            expectation,
            reasons=expectation.reasons | {DropReason.NOT_JSON},
            symbols=expectation.symbols | named,
        )
    return expectation


def symbol_named_in(frame: Frame) -> str | None:
    """Return the symbol in the beginning of an unreadable frame, from its symbol or stream."""
    beginning = frame[:BEGINNING_CHARACTERS]
    text = beginning if isinstance(beginning, str) else bytes(beginning).decode(errors="replace")
    for key, end, is_stream in (('"s":"', '"', False), ('"stream":"', '@bookTicker"', True)):
        at = -1
        while (at := text.find(key, at + 1)) >= 0:  # two may share a quotation mark
            name, found, _ = text[at + len(key) :].partition(end)
            is_name = all(one.isalnum() or one == "_" for one in name)
            if found and is_name and 1 <= len(name) <= SYMBOL_CHARACTERS_MAX:
                return (name.upper() if is_stream else name)[:SYMBOL_CHARACTERS_MAX]
    return None


def _expected_of(message: object, named: frozenset[str | None]) -> Expectation:
    if not isinstance(message, Object):
        return Expectation(reasons=frozenset({DropReason.WRONG_TYPE}))
    is_enveloped = "stream" in message
    payload = message.get("data") if is_enveloped else message
    if not isinstance(payload, Object):
        return _without_payload(message, named)
    sound = _sound(message, payload, is_enveloped=is_enveloped)
    if sound is not None and not _contradicts_itself(message, payload):
        return Expectation(quote=sound)
    other = _other_than_a_quote(message, payload, is_enveloped=is_enveloped)
    if _contradicts_itself(message, payload):
        return replace(_anything(other, payload), quote=sound)
    return other


def _without_payload(message: Object, named: frozenset[str | None]) -> Expectation:
    """Return the results for an empty envelope: a drop, or a ticker with an additional key."""
    expectation = Expectation(reasons=frozenset({DropReason.WRONG_TYPE}), symbols=named)
    is_raw = message.get("data") is None
    if is_raw and _is_meant_as_ticker(message, message, is_enveloped=False):
        sound = _sound(message, message, is_enveloped=False)
        return replace(_anything(expectation, message), quote=sound)
    return expectation


def _sound(message: Object, payload: Object, *, is_enveloped: bool) -> Sound | None:
    """Return the content of a sound book ticker, or None."""
    if not _is_meant_as_ticker(message, payload, is_enveloped=is_enveloped):
        return None
    if ticker_faults(payload):
        return None
    symbol, update_id = payload["s"], payload["u"]
    assert isinstance(symbol, str), "a ticker without faults"
    assert isinstance(update_id, int), "a ticker without faults"
    amounts = tuple(read_amount(payload[key]) for key in AMOUNT_KEYS)
    return Sound(symbol=symbol, update_id=update_id, amounts=amounts)


def _is_meant_as_ticker(message: Object, payload: Object, *, is_enveloped: bool) -> bool:
    if payload.get("e", "bookTicker") != "bookTicker":
        return False
    if not is_enveloped:
        return any(key in payload for key in TICKER_KEYS)
    stream, symbol = message["stream"], payload.get("s")
    if not isinstance(stream, str):
        return False
    if isinstance(symbol, str):
        return stream == symbol.lower() + "@bookTicker"
    return stream.endswith("@bookTicker")


def ticker_faults(payload: Object) -> set[DropReason]:
    """Return every fault of a book ticker."""
    if any(key not in payload for key in TICKER_KEYS):
        return {DropReason.MISSING_KEY}
    faults = set()
    symbol, update_id = payload["s"], payload["u"]
    texts = [payload[key] for key in AMOUNT_KEYS]
    if not isinstance(symbol, str) or symbol == "":
        faults.add(DropReason.WRONG_TYPE)
    if type(update_id) is not int or update_id > UPDATE_ID_MAX:
        faults.add(DropReason.WRONG_TYPE)
    elif update_id < 1:
        faults.add(DropReason.UPDATE_ID_NOT_POSITIVE)
    if not all(isinstance(text, str) for text in texts):
        faults.add(DropReason.WRONG_TYPE)
    if any(isinstance(text, str) and text.startswith("-") for text in texts):
        faults.add(DropReason.NEGATIVE)
    amounts = [amount for text in texts if (amount := read_amount(text)) is not None]
    if len(amounts) < len(AMOUNT_KEYS):
        return faults | {DropReason.NOT_AN_AMOUNT}
    return faults | _faults_of_sides(*amounts)


def _faults_of_sides(
    bid: Decimal, bid_quantity: Decimal, ask: Decimal, ask_quantity: Decimal
) -> set[DropReason]:
    faults = set()
    if (bid == 0) != (bid_quantity == 0):
        faults.add(DropReason.BID_HALF_EMPTY)
    if (ask == 0) != (ask_quantity == 0):
        faults.add(DropReason.ASK_HALF_EMPTY)
    if bid > 0 and ask > 0 and bid >= ask:
        faults.add(DropReason.CROSSED)
    return faults


def read_amount(text: object) -> Decimal | None:
    """Return the exact amount of a text, or None for an invalid text."""
    if not isinstance(text, str):
        return None
    whole, point, fraction = text.partition(".")
    if not 1 <= len(whole) <= WHOLE_DIGITS_MAX or not DIGITS.issuperset(whole):
        return None
    if point and not (1 <= len(fraction) <= FRACTION_DIGITS_MAX and DIGITS.issuperset(fraction)):
        return None
    digits = tuple(int(digit) for digit in (whole + fraction).lstrip("0"))
    return Decimal((0, digits or (0,), -len(fraction)))


def _other_than_a_quote(message: Object, payload: Object, *, is_enveloped: bool) -> Expectation:
    if payload.get("e") == "serverShutdown" or message.get("stream") == "!serverShutdown":
        return Expectation(is_shutdown=True)
    if _is_answer(message, is_enveloped=is_enveloped):
        return Expectation(answers=(_answer(message),))
    if payload.get("e") == "24hrMiniTicker":
        return _time_told(payload)
    if not _is_meant_as_ticker(message, payload, is_enveloped=is_enveloped):
        return Expectation(reasons=frozenset({DropReason.FOREIGN}))
    symbol = payload.get("s")
    named = symbol[:SYMBOL_CHARACTERS_MAX] if isinstance(symbol, str) else None
    faults = ticker_faults(payload) or ALL_REASONS
    return Expectation(reasons=frozenset(faults), symbols=frozenset({named}))


def _time_told(payload: Object) -> Expectation:
    """Return the result for a mini ticker; the last of a repeated key counts."""
    if "E" not in payload:
        return Expectation(reasons=frozenset({DropReason.MISSING_KEY}))
    told_ms = payload["E"]
    if type(told_ms) is not int or told_ms > TIME_MS_MAX:
        return Expectation(reasons=frozenset({DropReason.WRONG_TYPE}))
    if told_ms < 0:
        return Expectation(reasons=frozenset({DropReason.NEGATIVE}))
    return Expectation(times_ms=frozenset({told_ms}))


def _is_answer(message: Object, *, is_enveloped: bool) -> bool:
    """Return whether the message answers a control message; an update of a symbol does not."""
    names_an_update = "u" in message and "s" in message
    return not is_enveloped and not names_an_update and any(key in message for key in ANSWER_KEYS)


def _answer(message: Object) -> Acknowledgment:
    """Return the answer to a control message; the text of a refusal is not compared."""
    request_id = message.get("id")
    is_refusal = message["error"] is not None if "error" in message else "code" in message
    return Acknowledgment(
        request_id=request_id if type(request_id) is int else None,
        error="" if is_refusal else None,
    )


def _contradicts_itself(message: Object, payload: Object) -> bool:
    """Return whether a frame has two values for one field."""
    known = {*TICKER_KEYS, *ENVELOPE_KEYS, "e"}
    if known & (message.repeated | payload.repeated):
        return True
    if payload is message:
        return "data" in message
    return any(key in message for key in (*TICKER_KEYS, "e"))


def _anything(expectation: Expectation, payload: Object) -> Expectation:
    """Allow a contradictory frame to be dropped for any reason."""
    symbol = payload.get("s")
    named = {symbol[:SYMBOL_CHARACTERS_MAX]} if isinstance(symbol, str) else set()
    return replace(expectation, reasons=ALL_REASONS, symbols=expectation.symbols | {None} | named)


def complaint(frame: Frame, result: object, received_ns: int) -> str | None:
    """Return the error in the parser's result for a frame; None if it is right."""
    expectation = expected(frame)
    if expectation.is_unreadable:
        return _complaint_of_guess(result)
    match result:
        case Quote():
            return _complaint_of_quote(expectation.quote, result, received_ns)
        case Drop():
            return _complaint_of_drop(expectation, result)
        case Acknowledgment():
            return _complaint_of_answer(expectation.answers, result)
        case ShutdownNotice() | VenueTime():
            return _complaint_of_news(expectation, result)
    return f"no answer at all: {result!r}"


def _complaint_of_news(expectation: Expectation, news: ShutdownNotice | VenueTime) -> str | None:
    if isinstance(news, ShutdownNotice):
        return None if expectation.is_shutdown else "no shutdown was announced"
    return None if news.at_ms in expectation.times_ms else f"{news.at_ms} was not told"


def _complaint_of_drop(expectation: Expectation, drop: Drop) -> str | None:
    if drop.reason not in expectation.reasons:
        return f"dropped as {drop.reason}, not as one of {sorted(expectation.reasons)}"
    if drop.symbol not in expectation.symbols:
        return f"dropped as of {drop.symbol!r}, not of {expectation.symbols}"
    return None


def _complaint_of_quote(sound: Sound | None, quote: Quote, received_ns: int) -> str | None:
    if sound is None:
        return "a quote was made of a frame that is no sound book ticker"
    amounts = (quote.bid_price, quote.bid_quantity, quote.ask_price, quote.ask_quantity)
    if any(type(amount) is not Decimal for amount in amounts):
        return "an amount is no decimal"
    if [str(one) for one in amounts] != [str(one) for one in sound.amounts]:
        return f"the amounts are {amounts}, not {sound.amounts}"
    if (quote.symbol, quote.update_id) != (sound.symbol, sound.update_id):
        return "the symbol or the update id is another"
    return None if quote.received_ns == received_ns else "the instant of receipt is another"


def _complaint_of_guess(result: object) -> str | None:
    if not isinstance(result, Quote):
        is_answer = isinstance(result, Drop | Acknowledgment | ShutdownNotice | VenueTime)
        return None if is_answer else f"no answer at all: {result!r}"
    amounts = (result.bid_price, result.bid_quantity, result.ask_price, result.ask_quantity)
    if any(not amount.is_finite() or amount.is_signed() for amount in amounts):
        return f"impossible amounts: {amounts}"
    return None


def _complaint_of_answer(right: Sequence[Acknowledgment], answer: Acknowledgment) -> str | None:
    if not right:
        return "no control message was answered"
    if type(answer.request_id) not in {int, type(None)} or answer.request_id != right[0].request_id:
        return f"request {answer.request_id!r} was answered, not {right[0].request_id!r}"
    if (answer.error is None) != (right[0].error is None):
        return "agreement was taken for refusal, or refusal for agreement"
    if answer.error is not None and len(answer.error) > ERROR_CHARACTERS_MAX:
        return "a refusal is echoed at length"
    return None
