"""The ledgers that a matcher handed to the journal, one after another.

After a crash the database has one of the last: which one depends on what the journal had written.
Only digests are kept; a ledger that a hundred thousand quotes have changed is not copied each time.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

from app.domain.liquidity import TakenLevel
from app.domain.order import Owner, Side

VERSIONS_MAX: Final = 20_000
"""More than the journal lets wait; what is older was written long ago."""

LevelKey = tuple[Owner, Side, Decimal]
Ledger = dict[LevelKey, Decimal]


def key_of(level: TakenLevel) -> LevelKey:
    """Return where a level stands."""
    return level.owner, level.side, level.price


class LedgerVersions:
    """The ledger as the journal got it last, and which it got before.

    ``is_whole`` says that the first one is what the database had; otherwise there may be older
    ones.
    """

    def __init__(self, gate: int, levels: Iterable[TakenLevel], *, is_whole: bool) -> None:
        self.gate = gate
        self.levels: Ledger = {key_of(level): level.quantity for level in levels}
        self.is_whole = is_whole
        self._digest = _digest(self.levels)
        self._versions: OrderedDict[tuple[int, int], None] = OrderedDict()
        if is_whole:
            self._note()

    def store(self, gate: int, changes: Iterable[TakenLevel]) -> None:
        """Take changes that were handed on, a forgotten level with quantity zero."""
        self.gate = gate
        for level in changes:
            key = key_of(level)
            before = self.levels.pop(key, None)
            if before is not None:
                self._digest ^= hash((key, before))
            if level.quantity:
                self.levels[key] = level.quantity
                self._digest ^= hash((key, level.quantity))
        self._note()

    def has_been(self, other: "LedgerVersions") -> bool:
        """Whether it ever was what another one is now."""
        return (other.gate, _digest(other.levels)) in self._versions

    def told(self) -> tuple[int, list[tuple[LevelKey, Decimal]]]:
        """Return gate and levels, to be compared and shown."""
        return self.gate, sorted(self.levels.items())

    def forget(self) -> None:
        """Let go of all of it."""
        self.levels.clear()
        self._versions.clear()

    def _note(self) -> None:
        version = (self.gate, self._digest)
        self._versions[version] = None
        self._versions.move_to_end(version)
        if len(self._versions) > VERSIONS_MAX:
            self._versions.popitem(last=False)
            self.is_whole = True  # what is older is no version that a crash could leave


def _digest(levels: Mapping[LevelKey, Decimal]) -> int:
    digest = 0
    for key, quantity in levels.items():
        digest ^= hash((key, quantity))
    return digest
