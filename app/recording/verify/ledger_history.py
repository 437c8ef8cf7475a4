"""The ledger versions that a matcher handed to the journal, in order.

After a crash the database holds one of the last versions, depending on what the journal had
written. The history keeps a digest of each version, because copying a ledger for each of 100,000
quotes would cost too much.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

from app.domain.liquidity import TakenLevel
from app.domain.order import Owner, Side

VERSIONS_MAX: Final = 20_000
"""More versions than the journal's queue holds, so an older version was written long ago."""

LevelKey = tuple[Owner, Side, Decimal]
Ledger = dict[LevelKey, Decimal]


def key_of(level: TakenLevel) -> LevelKey:
    """Return the key of a level within a ledger."""
    return level.owner, level.side, level.price


class LedgerHistory:
    """The newest ledger that the journal received, and digests of those before it.

    ``is_complete`` is true if the first version is known to be the database's. Otherwise the
    database may hold a version from before the recording.
    """

    def __init__(self, gate: int, levels: Iterable[TakenLevel], *, is_complete: bool) -> None:
        self.gate = gate
        self.levels: Ledger = {key_of(level): level.quantity for level in levels}
        self._digest = _digest(self.levels)
        self._versions: deque[tuple[int, int]] = deque(maxlen=VERSIONS_MAX)
        self._begins_complete = is_complete
        if is_complete:
            self._versions.append((gate, self._digest))

    @property
    def is_complete(self) -> bool:
        """Tell whether the database must hold one of the versions after a crash."""
        # A crash can leave no version older than these, known or not.
        return self._begins_complete or len(self._versions) == VERSIONS_MAX

    def apply(self, gate: int, changes: Iterable[TakenLevel]) -> None:
        """Apply the changes of one hand-over; a quantity of zero deletes its level."""
        self.gate = gate
        for level in changes:
            key = key_of(level)
            before = self.levels.pop(key, None)
            if before is not None:
                self._digest ^= hash((key, before))
            if level.quantity:
                self.levels[key] = level.quantity
                self._digest ^= hash((key, level.quantity))
        self._versions.append((gate, self._digest))

    def includes(self, other: "LedgerHistory") -> bool:
        """Tell whether the newest version of ``other`` is among the versions of this history."""
        return (other.gate, _digest(other.levels)) in self._versions

    def newest(self) -> tuple[int, list[tuple[LevelKey, Decimal]]]:
        """Return the gate and the sorted levels, to compare and to print."""
        return self.gate, sorted(self.levels.items())

    def clear(self) -> None:
        """Free the memory of all versions."""
        self.levels.clear()
        self._versions.clear()


def _digest(levels: Mapping[LevelKey, Decimal]) -> int:
    digest = 0
    for key, quantity in levels.items():
        digest ^= hash((key, quantity))
    return digest
