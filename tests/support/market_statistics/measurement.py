"""Measure the synthetic market, and compare it with the figures of the tapes."""

import gzip
import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from app.simulator.market.pairs import PAIRS
from app.simulator.market.synthetic_market import SyntheticMarket
from app.simulator.market.venue_quotes import DECIMALS
from tests.support.market_statistics.bounds import (
    ALT_BOUNDS,
    LIVELY_BOUNDS,
    MAJOR_BOUNDS,
    QUIET_BOUNDS,
    Bound,
)
from tests.support.market_statistics.quote_statistics import (
    NS_PER_SECOND,
    Observation,
    QuoteStatistics,
    quote_statistics,
)

SECONDS: Final = 346
"""The length of the longest tape."""

NS_PER_US: Final = 1_000


_TAPES: Final = json.loads(
    Path(__file__).with_name("tape_figures.json").read_text(encoding="utf-8")
)


@dataclass(frozen=True, slots=True)
class PairClass:
    """Pairs of the synthetic market, with the bounds around the figures of comparable tapes."""

    name: str
    symbols: tuple[str, ...]
    bounds: tuple[Bound, ...]

    @property
    def sources(self) -> Sequence[tuple[str, str]]:
        """The comparable symbols, each with the file name of its tape."""
        return [(file, symbol) for file, symbol in _TAPES[self.name]["sources"]]

    @property
    def figures(self) -> Mapping[str, Sequence[float]]:
        """The stored figures, with four digits, in the order of ``sources``.

        The name of a figure is its path in ``QuoteStatistics``.
        """
        figures: Mapping[str, Sequence[float]] = _TAPES[self.name]["figures"]
        return figures


CLASSES: Final = (
    PairClass("major", ("BTCUSDT", "ETHUSDT"), MAJOR_BOUNDS),
    PairClass("lively alt", ("DENTUSDT", "ZILUSDT", "MANAUSDT", "FTMUSDT"), LIVELY_BOUNDS),
    PairClass("alt", ("LTCUSDT", "SOLBTC", "BNBUSDT"), ALT_BOUNDS),
    PairClass("quiet alt", ("AAVEUSDT", "LINKBTC", "ICPUSDT"), QUIET_BOUNDS),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One figure of one class: its values on the tapes and in the synthetic market."""

    bound: Bound
    of_tapes: Sequence[float]
    of_pairs: Sequence[float]

    @property
    def limits(self) -> tuple[float, float]:
        """The smallest and the greatest value allowed."""
        return self.bound.limits(self.of_tapes)

    @property
    def is_held(self) -> bool:
        """Whether every pair is within the bound. NaN never is."""
        least, most = self.limits
        return all(least <= one <= most for one in self.of_pairs)


def synthetic_statistics(symbol: str, *, seed: int, seconds: float) -> QuoteStatistics:
    """Measure a pair of the synthetic market, starting at its opening."""
    return quote_statistics(synthetic_observations(symbol, seed=seed, seconds=seconds))


def synthetic_observations(symbol: str, *, seed: int, seconds: float) -> Iterator[Observation]:
    """Yield the quotes of a synthetic pair, with amounts in whole ticks and steps."""
    pair = next(pair for pair in PAIRS if pair.symbol == symbol)
    tick, step = _units(pair.tick_size), _units(pair.step_size)
    quotes = SyntheticMarket(seed).pair_quotes(pair, first_update_id=1)
    for quote in itertools.takewhile(lambda one: one.at_ns < seconds * NS_PER_SECOND, quotes):
        yield Observation(
            at_ns=quote.at_ns,
            update_id=quote.update_id,
            bid_price=_wire_units(quote.bid_price) // tick,
            bid_quantity=_wire_units(quote.bid_quantity) // step,
            ask_price=_wire_units(quote.ask_price) // tick,
            ask_quantity=_wire_units(quote.ask_quantity) // step,
        )


def synthetic_findings(pair_class: PairClass, *, seed: int, seconds: float) -> list[Finding]:
    """Measure the pairs of a class and compare them with its tapes."""
    return findings(
        pair_class,
        *(
            synthetic_statistics(symbol, seed=seed, seconds=seconds)
            for symbol in pair_class.symbols
        ),
    )


def findings(pair_class: PairClass, *measured: QuoteStatistics) -> list[Finding]:
    """Compare pairs with the tapes of a class."""
    return [
        Finding(
            bound=bound,
            of_tapes=pair_class.figures[bound.figure],
            of_pairs=tuple(bound.measured(one) for one in measured),
        )
        for bound in pair_class.bounds
    ]


def tape_statistics(path: Path) -> Mapping[str, QuoteStatistics]:
    """Measure every symbol of a tape, on the coarsest grid that fits all its amounts."""
    lines: dict[str, list[tuple[int, Mapping[str, Any]]]] = {}
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for text in file:
            line = json.loads(text)
            lines.setdefault(line["data"]["s"], []).append((line["ts"], line["data"]))
    return {symbol: quote_statistics(_tape_observations(of)) for symbol, of in lines.items()}


def _tape_observations(lines: Sequence[tuple[int, Mapping[str, Any]]]) -> Iterator[Observation]:
    tick = math.gcd(*(_wire_units(data[key]) for _, data in lines for key in "ba"))
    step = math.gcd(*(_wire_units(data[key]) for _, data in lines for key in "BA"))
    for ts, data in lines:
        yield Observation(
            at_ns=ts * NS_PER_US,
            update_id=data["u"],
            bid_price=_wire_units(data["b"]) // tick,
            bid_quantity=_wire_units(data["B"]) // step,
            ask_price=_wire_units(data["a"]) // tick,
            ask_quantity=_wire_units(data["A"]) // step,
        )


def _units(amount: Decimal) -> int:
    return int(amount.scaleb(DECIMALS))


def _wire_units(amount: str) -> int:
    """Read an amount of the wire as a whole number; it always has eight decimals."""
    return int(amount.replace(".", ""))
