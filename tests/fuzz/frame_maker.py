"""Makes frames that the venue never sent: sound, changed and broken ones, in any mixture.

Objects are pairs of texts until they are written, so a number can have any spelling and a key can
occur twice. The frames depend on the seed only.
"""

import json
import random
from collections.abc import Callable, Sequence
from typing import Final

from tests.fuzz.frame_reader import AMOUNT_KEYS, TICKER_KEYS, Frame

Pairs = list[tuple[str, str]]

SYMBOLS: Final = ("LTCBTC", "BTCUSDT", "1000SATSUSDT", "币安人生USDT", "İSTUSDT", "A")
ODD_AMOUNTS: Final = (
    *("-0.0025", "-0", "-0.0", "+1", "--1", "- 1", "-", "1-"),
    *("1e3", "1E3", "1e-3", "1e400", "0e0", "1E+999999", "1e", "0.1e1"),
    *("NaN", "nan", "sNaN", "Infinity", "-Infinity", "inf", "None", "null", "0x1f", "0b1"),
    *("", ".", "1.", ".5", "1..2", "1.2.3", "1,5", "1_0", " 1", "1 ", "1\n", "\t1", "1\x00"),
    *("00", "007.50", "0000000000000001", "00000000000000001", "0.000000000000"),
    *("9" * 16, "9" * 17, "9" * 400, "0." + "1" * 12, "0." + "1" * 13, "0." + "0" * 400),
    *("9" * 16 + "." + "9" * 12, "9007199254740993.000000000001", "0.1000000000000000055511"),
    *("\u0661", "\uff11", "\u00b2", "1\u06f2", "\u0967.5", "1\u00a0", "\ufeff1", "\u22121"),
)
ODD_NUMBERS: Final = (
    *("0", "1", "-1", "-0", "7.0", "7.5", "1e3", "1E0", "9007199254740993.0", "1e400", "-1e400"),
    *("9223372036854775807", "9223372036854775808", "18446744073709551615", "18446744073709551616"),
    *("-9223372036854775808", "-9223372036854775809", "1" + "0" * 30, "9" * 4_000, "9" * 5_000),
    *("01", "+1", "1.", ".5", "0x10", "1_000", "NaN", "Infinity", "-Infinity", "1e"),
)
ODD_TIMES: Final = ("9999999999999", "10000000000000", "1672515782136000", '"1672515782136"')
ODD_VALUES: Final = (
    *("null", "true", "false", "[]", "{}", '""', '"7"', "[1]", '{"a":1}', '["0.1","2"]'),
    *('"\\ud800"', '"\\udc00\\ud800"', '"\\u0031"', '"\\u002d1"', '"\\x31"', '"\\', "'1'"),
    *('"\\u0000"', '"\\n"', '"\t"', '"\x7f"', '"bookTicker"', '"serverShutdown"', '"trade"'),
)
ODD_SYMBOLS: Final = (
    *("", "ltcbtc", "LTC BTC", "LTCBTC\\u0000", '\\"', "\\ud800", "\\u017f", "ẞ", "X" * 200),
)
ODD_KEYS: Final = (
    *("e", "E", "T", "ps", "id", "result", "error", "code", "msg", "stream", "data", ""),
)
FRAGMENTS: Final = (
    *(b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\x00", b"-", b"e9", b"."),
)
NESTINGS_MAX: Final = 1_200


class FrameMaker:
    """Makes random frames, some of them from ``samples`` that the venue sent."""

    def __init__(self, chance: random.Random, samples: Sequence[bytes] = ()) -> None:
        self._chance = chance
        self._samples = samples
        self._update_id = chance.randrange(1, 2**40)

    def make(self) -> Frame:
        """Return another frame; about every second one has a single fault."""
        text = self._text()
        frame = text.encode("utf-8", "surrogatepass")
        if self._chance.random() < 0.3:
            frame = self._break(frame)
        form = self._chance.random()
        if form < 0.05:
            return bytearray(frame)
        return frame.decode("utf-8", "surrogateescape") if form < 0.15 else frame

    def _text(self) -> str:
        made = self._chance.random()
        if self._samples and made < 0.1:
            return self._chance.choice(self._samples).decode()
        if made < 0.2:
            return self._answer()
        if made < 0.23:
            return self._mini_ticker()
        if made < 0.27:
            return self._value()
        return self._ticker()

    def _ticker(self) -> str:
        """Return a book ticker, raw or in an envelope, with at most three changes."""
        chance = self._chance
        symbol = chance.choice(SYMBOLS)
        pairs = self._sound_pairs(symbol)
        for _ in range(chance.choice((0, 1, 1, 1, 2, 3))):
            self._change(pairs)
        if chance.random() < 0.1:
            chance.shuffle(pairs)
        text = self._write(pairs)
        if chance.random() < 0.5:
            return text
        envelope = [("stream", json.dumps(f"{symbol.lower()}@bookTicker")), ("data", text)]
        if chance.random() < 0.2:
            self._change(envelope)
        if chance.random() < 0.1:
            envelope += self._sound_pairs(chance.choice(SYMBOLS))[: chance.randrange(7)]
        if chance.random() < 0.2:
            chance.shuffle(envelope)
        return self._write(envelope)

    def _answer(self) -> str:
        """Return an answer to a control message or a shutdown notice, with at most two changes."""
        pairs = list(
            self._chance.choice(
                (
                    [("result", "null"), ("id", "1")],
                    [("result", '["ltcbtc@bookTicker"]'), ("id", "3")],
                    [("error", '{"code":2,"msg":"Invalid request"}'), ("id", "7")],
                    [("code", "2"), ("msg", '"Invalid request: too many parameters"')],
                    [("e", '"serverShutdown"'), ("E", "1")],
                    [("stream", '"!serverShutdown"'), ("data", '{"e":"serverShutdown","E":1}')],
                )
            )
        )
        for _ in range(self._chance.randrange(3)):
            self._change(pairs)
        return self._write(pairs)

    def _mini_ticker(self) -> str:
        """Return a mini ticker, raw or in an envelope, with at most two changes."""
        symbol = self._chance.choice(SYMBOLS)
        pairs = [
            ("e", '"24hrMiniTicker"'),
            ("E", self._chance.choice(("1672515782136", *ODD_TIMES, *ODD_NUMBERS))),
            ("s", f'"{symbol}"'),
            *((key, '"0.0025"') for key in "cohlvq"),
        ]
        for _ in range(self._chance.randrange(3)):
            self._change(pairs)
        text = self._write(pairs)
        if self._chance.random() < 0.5:
            return text
        stream = self._chance.choice(("miniTicker", "miniTicker", "bookTicker"))
        return self._write([("stream", f'"{symbol.lower()}@{stream}"'), ("data", text)])

    def _sound_pairs(self, symbol: str) -> Pairs:
        chance = self._chance
        self._update_id += chance.randrange(1, 50)
        digits = chance.randrange(0, 9)
        ask = chance.randrange(2, 10 ** chance.randrange(2, 13))
        bid = chance.randrange(1, ask)
        amounts = [
            self._spell(bid, digits),
            self._spell(chance.randrange(1, 10**11), 8),
            self._spell(ask, digits),
            self._spell(chance.randrange(1, 10**11), 8),
        ]
        for side in (0, 2):
            if chance.random() < 0.05:
                amounts[side : side + 2] = ["0.00000000", "0.00000000"]
        pairs = [("u", str(self._update_id)), ("s", json.dumps(symbol, ensure_ascii=False))]
        pairs += [(key, f'"{text}"') for key, text in zip(AMOUNT_KEYS, amounts, strict=True)]
        if chance.random() < 0.1:
            pairs = [("e", '"bookTicker"'), *pairs, ("T", "1"), ("E", "2"), ("ps", '"LTCBTC"')]
        return pairs

    def _spell(self, units: int, digits: int) -> str:
        text = str(units).rjust(digits + 1, "0")
        return f"{text[:-digits]}.{text[-digits:]}" if digits else text

    def _change(self, pairs: Pairs) -> None:
        changes: Sequence[Callable[[Pairs], None]] = (
            self._change_amount,
            self._change_amount,
            self._change_update_id,
            self._change_symbol,
            self._change_anything,
            self._remove,
            self._rename,
            self._repeat,
            self._add,
        )
        if pairs:
            self._chance.choice(changes)(pairs)

    def _change_amount(self, pairs: Pairs) -> None:
        self._set(pairs, AMOUNT_KEYS, self._amount())

    def _change_update_id(self, pairs: Pairs) -> None:
        self._set(pairs, ("u", "id"), self._chance.choice(ODD_NUMBERS))

    def _change_symbol(self, pairs: Pairs) -> None:
        self._set(pairs, ("s",), f'"{self._chance.choice((*SYMBOLS, *ODD_SYMBOLS))}"')

    def _change_anything(self, pairs: Pairs) -> None:
        self._set(pairs, tuple(key for key, _ in pairs), self._value())

    def _remove(self, pairs: Pairs) -> None:
        del pairs[self._chance.randrange(len(pairs))]

    def _rename(self, pairs: Pairs) -> None:
        at = self._chance.randrange(len(pairs))
        key = self._chance.choice((pairs[at][0].swapcase(), *TICKER_KEYS, *ODD_KEYS))
        pairs[at] = (key, pairs[at][1])

    def _repeat(self, pairs: Pairs) -> None:
        key, value = self._chance.choice(pairs)
        other = value if self._chance.random() < 0.3 else self._value()
        pairs.insert(self._chance.randrange(len(pairs) + 1), (key, other))

    def _add(self, pairs: Pairs) -> None:
        key = self._chance.choice((*ODD_KEYS, "new", "\\u0075", "\\ud800"))
        pairs.insert(self._chance.randrange(len(pairs) + 1), (key, self._value()))

    def _set(self, pairs: Pairs, keys: Sequence[str], value: str) -> None:
        places = [at for at, (key, _) in enumerate(pairs) if key in keys]
        if places:
            at = self._chance.choice(places)
            pairs[at] = (pairs[at][0], value)

    def _amount(self) -> str:
        chance = self._chance
        if chance.random() < 0.7:
            return json.dumps(chance.choice(ODD_AMOUNTS), ensure_ascii=chance.random() < 0.5)
        alphabet = "0123456789" * 3 + ".-+eE _\u0661"
        return json.dumps("".join(chance.choices(alphabet, k=chance.randrange(20))))

    def _value(self) -> str:
        """Return a JSON value, or a text close to one."""
        chance = self._chance
        kind = chance.random()
        if kind < 0.2:
            return self._amount()
        if kind < 0.4:
            return chance.choice(ODD_NUMBERS)
        if kind < 0.5:
            depth = chance.randrange(chance.choice((5, 50, NESTINGS_MAX)))
            left, right = chance.choice((("[", "]"), ('{"a":', "}")))
            return left * depth + chance.choice(("1", "", "[]")) + right * depth
        if kind < 0.6:
            return self._write([(chance.choice(TICKER_KEYS), "1"), ("e", '"serverShutdown"')])
        if kind < 0.61:
            return '"' + "x" * chance.choice((1_000, 65_300, 70_000)) + '"'
        return chance.choice(ODD_VALUES)

    def _write(self, pairs: Pairs) -> str:
        space = self._chance.choice(("", "", "", " ", "\n", "\t \r\n", "\u00a0"))
        inner = f",{space}".join(f'"{key}":{space}{value}' for key, value in pairs)
        return f"{{{space}{inner}{space}}}"

    def _break(self, frame: bytes) -> bytes:
        """Return a frame with some bytes changed, lost or moved."""
        chance = self._chance
        broken = bytearray(frame)
        for _ in range(chance.choice((1, 1, 1, 2, 5))):
            at = chance.randrange(len(broken) + 1)
            end = min(len(broken), at + chance.choice((1, 1, 1, 4, 30)))
            match chance.randrange(6):
                case 0:
                    del broken[at:]
                case 1:
                    del broken[at:end]
                case 2:
                    broken[at:at] = broken[at:end]
                case 3:
                    broken[at:at] = chance.choice(FRAGMENTS)
                case 4 if at < len(broken):
                    broken[at] ^= 1 << chance.randrange(8)
                case _ if at < len(broken):
                    broken[at] = chance.choice(b'0123456789-.eE+"{}[],:\\ \x00\xff')
        return bytes(broken)
