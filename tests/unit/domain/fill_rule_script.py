"""Scripts of events of one symbol: from hypothesis for search, or long ones from a seed."""

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Protocol, TypeVar

from hypothesis import strategies as st

from app.domain.order import Owner, Side, TimeInForce

OWNERS: Final = (Owner("alice"), Owner("bob"))
DEPTH_MAX: Final = 3
"""Levels per side: few, so that they are covered, emptied and renewed again and again."""

_TICK: Final = Decimal("0.01")
_BEST: Final = {Side.BUY: Decimal("100.00"), Side.SELL: Decimal("99.99")}


def price_at(side: Side, depth: int) -> Decimal:
    """Return the price ``depth`` ticks worse than the best possible one for takers of a side."""
    away = _TICK * depth
    return _BEST[side] + away if side is Side.BUY else _BEST[side] - away


@dataclass(frozen=True, slots=True)
class Change:
    """The market changes a level and sends a frame, which may be lost."""

    side: Side
    depth: int
    units: int
    is_lost: bool


@dataclass(frozen=True, slots=True)
class Redeliver:
    """A frame arrives late or again; ``back`` counts from the newest frame."""

    back: int


@dataclass(frozen=True, slots=True)
class Place:
    """A client places an order. At depth -1 the order reaches no level.

    ``is_quote_old`` means that no quote came for so long that the current one needs confirmation.
    """

    owner: Owner
    side: Side
    depth: int
    units: int
    lifetime_ns: int
    time_in_force: TimeInForce = TimeInForce.GTD
    is_quote_old: bool = False


@dataclass(frozen=True, slots=True)
class Cancel:
    """A client cancels an order, counted back from the newest; it may have ended before."""

    back: int


@dataclass(frozen=True, slots=True)
class CancelAll:
    """An owner cancels all orders."""

    owner: Owner


@dataclass(frozen=True, slots=True)
class Interrupt:
    """The connection is lost."""


@dataclass(frozen=True, slots=True)
class Seed:
    """A depth snapshot arrives that is this many frames old."""

    back: int


@dataclass(frozen=True, slots=True)
class Restart:
    """The process exits and another one continues; a kill leaves the ledger of the last fill."""

    is_clean: bool


@dataclass(frozen=True, slots=True)
class Hold:
    """The journal fails, so nothing is filled."""


@dataclass(frozen=True, slots=True)
class Release:
    """The journal works again."""


Action = (
    Change | Redeliver | Place | Cancel | CancelAll | Interrupt | Seed | Restart | Hold | Release
)

_Value = TypeVar("_Value")


class Pick(Protocol):
    """Picks one of some values: hypothesis picks while it searches, ``random`` from a seed."""

    def __call__(self, values: Sequence[_Value], /) -> _Value:
        """Return one of the values."""


def _change(pick: Pick) -> Action:
    is_lost = pick([False, False, False, True])
    return Change(pick(list(Side)), pick(range(DEPTH_MAX + 1)), pick(range(-5, 7)), is_lost)


def _place(pick: Pick) -> Action:
    return Place(
        owner=pick(OWNERS),
        side=pick(list(Side)),
        depth=pick(range(-1, DEPTH_MAX + 1)),
        units=pick(range(1, 13)),
        lifetime_ns=pick([*range(41), *range(50, 400, 10)]),
        time_in_force=pick([TimeInForce.GTD, *TimeInForce]),
        is_quote_old=pick([False] * 9 + [True]),
    )


def _cancel(pick: Pick) -> Action:
    kinds: list[Action] = [Cancel(pick(range(7))), Cancel(pick(range(21))), CancelAll(pick(OWNERS))]
    return pick(kinds)


def _trouble(pick: Pick) -> Action:
    restart, seed = Restart(pick([False, True])), Seed(pick(range(7)))
    kinds: list[Action] = [Interrupt(), Seed(0), seed, restart, Hold(), Release(), Release()]
    return pick(kinds)


def _redeliver(pick: Pick) -> Action:
    return Redeliver(pick(range(7)))


def _gap(_pick: Pick) -> None:
    """Take the place of an action that a failure does not need."""


_KINDS: Final[list[Callable[[Pick], Action | None]]] = [
    *(_gap, _cancel),
    *12 * [_change],
    *6 * [_place],
    *3 * [_redeliver],
    *2 * [_trouble],
]


@st.composite
def _searched_action(draw: st.DrawFn) -> Action | None:
    def pick(values: Sequence[_Value], /) -> _Value:
        return draw(st.sampled_from(values))

    return pick(_KINDS)(pick)


def _without_gaps(actions: Iterable[Action | None]) -> list[Action]:
    return [action for action in actions if action is not None]


# By default hypothesis makes short lists, in which little happens. So these lists are long, and
# shrinking replaces an action that the failure does not need by a gap.
scripts = st.lists(_searched_action(), min_size=40, max_size=60).map(_without_gaps)
"""The scripts that hypothesis searches."""


def long_script(seed: int, length: int) -> list[Action]:
    """Return a script too long for a search, always the same for one seed."""
    pick = random.Random(seed).choice
    return _without_gaps(pick(_KINDS)(pick) for _ in range(length))
