"""Limits the connections that follow events: in all, of one owner, of unauthenticated clients.

Unauthenticated connections have their own quota, so they cannot starve authenticated ones.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from app.api.problems import TooManyStreamsError
from app.domain.order import Owner

UNAUTHENTICATED_MAX: Final = 64
"""Connections of clients without a key yet; they have a few seconds to send it."""


class ConnectionSlots:
    """The slots of all connections; ``None`` is the owner of an unauthenticated client."""

    def __init__(self, *, total_max: int, per_owner_max: int) -> None:
        self._total_max = total_max
        self._per_owner_max = per_owner_max
        self._taken = Counter[Owner | None]()

    @contextmanager
    def reserve(self, owner: Owner | None) -> Iterator["ConnectionSlot"]:
        """Hold a slot for the owner, or for an unauthenticated client (``None``), in a block.

        Raises:
            TooManyStreamsError: all slots are taken.
        """
        self.acquire(owner)
        slot = ConnectionSlot(self, owner)
        try:
            yield slot
        finally:
            self.release(slot.owner)

    def acquire(self, owner: Owner | None) -> None:
        """Take a slot, which ``release`` gives back; raises like ``reserve``."""
        if owner is None:
            if self._taken[None] >= UNAUTHENTICATED_MAX:
                raise TooManyStreamsError(UNAUTHENTICATED_MAX, "that have not sent a key yet")
        elif self._taken.total() - self._taken[None] >= self._total_max:
            raise TooManyStreamsError(self._total_max, "in all")
        elif self._taken[owner] >= self._per_owner_max:
            raise TooManyStreamsError(self._per_owner_max, "of one owner")
        self._taken[owner] += 1

    def release(self, owner: Owner | None) -> None:
        """Give back a slot."""
        self._taken[owner] -= 1
        if not self._taken[owner]:
            del self._taken[owner]  # an owner without connections is forgotten


class ConnectionSlot:
    """The slot of one connection."""

    def __init__(self, slots: ConnectionSlots, owner: Owner | None) -> None:
        self.owner = owner
        self._slots = slots

    def pass_to(self, owner: Owner) -> None:
        """Exchange the slot for one of ``owner``, as whom the client authenticated.

        Raises:
            TooManyStreamsError: all slots are taken; the old slot is kept.
        """
        if owner != self.owner:
            self._slots.acquire(owner)
            self._slots.release(self.owner)
            self.owner = owner
