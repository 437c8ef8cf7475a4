"""Scripts of events of one symbol: from hypothesis for search, or long ones from a seed."""

import random
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

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

_sides = st.sampled_from(Side)
_backs = st.integers(0, 6)
_changes = st.builds(
    Change,
    _sides,
    st.integers(0, DEPTH_MAX),
    st.integers(-5, 6),
    st.sampled_from([False, False, False, True]),
)
_places = st.builds(
    Place,
    st.sampled_from(OWNERS),
    _sides,
    st.integers(-1, DEPTH_MAX),
    st.integers(1, 12),
    st.integers(0, 40),
    st.sampled_from([TimeInForce.GTD, *TimeInForce]),
    st.sampled_from([False, False, False, True]),
)
_cancels = st.one_of(
    st.builds(Cancel, _backs),
    st.builds(Cancel, _backs),
    st.builds(CancelAll, st.sampled_from(OWNERS)),
)
_troubles = st.one_of(
    st.builds(Interrupt),
    st.builds(Seed, _backs),
    st.builds(Restart, st.booleans()),
    st.builds(Hold),
    st.builds(Release),
)
_redeliveries = st.builds(Redeliver, _backs)
_actions = st.sampled_from(
    [
        *(st.none(), _cancels),
        *12 * [_changes],
        *6 * [_places],
        *3 * [_redeliveries],
        *2 * [_troubles],
    ]
).flatmap(lambda kind: kind)


def _without_gaps(actions: list[Action | None]) -> list[Action]:
    return [action for action in actions if action is not None]


# By default hypothesis makes short lists, in which little happens. So these lists are long, and
# shrinking replaces an action that the failure does not need by a gap.
scripts = st.lists(_actions, min_size=40, max_size=60).map(_without_gaps)
"""The scripts that hypothesis searches."""


def long_script(seed: int, length: int) -> list[Action]:
    """Return a script too long for a search, always the same for one seed."""
    chance = random.Random(seed)

    def change() -> Action:
        side, depth = chance.choice(list(Side)), chance.randint(0, DEPTH_MAX)
        return Change(side, depth, chance.randint(-5, 6), chance.random() < 0.2)

    def place() -> Action:
        owner, side = chance.choice(OWNERS), chance.choice(list(Side))
        depth, units = chance.randint(-1, DEPTH_MAX), chance.randint(1, 12)
        time_in_force = chance.choice([TimeInForce.GTD, *TimeInForce])
        lifetime_ns, is_quote_old = chance.randint(0, 400), chance.random() < 0.04
        return Place(owner, side, depth, units, lifetime_ns, time_in_force, is_quote_old)

    def cancel() -> Action:
        if chance.random() < 0.2:
            return CancelAll(chance.choice(OWNERS))
        return Cancel(chance.randint(0, 20))

    def trouble() -> Action:
        seed, restart = Seed(chance.randint(0, 6)), Restart(chance.random() < 0.5)
        kinds: list[Action] = [Interrupt(), Seed(0), seed, Hold(), Release(), Release(), restart]
        return chance.choice(kinds)

    def redeliver() -> Action:
        return Redeliver(chance.randint(0, 6))

    kinds = chance.choices(
        [change, place, redeliver, cancel, trouble], weights=[12, 5, 2, 1, 1], k=length
    )
    return [kind() for kind in kinds]
