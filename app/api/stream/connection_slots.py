"""Limits the connections that follow events: in all, of one owner, of unauthenticated clients.

Unauthenticated connections have their own quota, so they cannot starve authenticated ones.
"""

from collections import Counter
from types import TracebackType
from typing import Final, Self

from app.api.problems import TooManyStreamsError
from app.domain.order import Owner

UNAUTHENTICATED_MAX: Final = 64
"""Connections of clients without a key yet; they have a few seconds to send it."""


class ConnectionSlots:
    """The slots of all connections of the service."""

    def __init__(self, *, total_max: int, per_owner_max: int) -> None:
        self._total_max = total_max
        self._per_owner_max = per_owner_max
        self._taken = Counter[Owner]()
        self._taken_total = 0
        self._unauthenticated = 0

    def reserve(self, owner: Owner | None) -> "ConnectionSlot":
        """Reserve a slot for the owner, or for an unauthenticated client (``None``).

        Raises:
            TooManyStreamsError: all slots are taken.
        """
        self.acquire(owner)
        return ConnectionSlot(self, owner)

    def acquire(self, owner: Owner | None) -> None:
        """Take a slot, which ``release`` gives back; raises like ``reserve``."""
        if owner is None:
            if self._unauthenticated >= UNAUTHENTICATED_MAX:
                raise TooManyStreamsError(UNAUTHENTICATED_MAX, "that have not sent a key yet")
            self._unauthenticated += 1
            return
        if self._taken_total >= self._total_max:
            raise TooManyStreamsError(self._total_max, "in all")
        if self._taken[owner] >= self._per_owner_max:
            raise TooManyStreamsError(self._per_owner_max, "of one owner")
        self._taken[owner] += 1
        self._taken_total += 1

    def release(self, owner: Owner | None) -> None:
        """Give back a slot."""
        if owner is None:
            self._unauthenticated -= 1
            return
        self._taken_total -= 1
        self._taken[owner] -= 1
        if not self._taken[owner]:
            del self._taken[owner]


class ConnectionSlot:
    """The slot of one connection, released at the end of the block."""

    def __init__(self, slots: ConnectionSlots, owner: Owner | None) -> None:
        self._slots = slots
        self._owner = owner

    def pass_to(self, owner: Owner) -> None:
        """Exchange the slot for one of ``owner``, as whom the client authenticated.

        Raises:
            TooManyStreamsError: all slots are taken; the old slot is kept.
        """
        if owner != self._owner:
            self._slots.acquire(owner)
            self._slots.release(self._owner)
            self._owner = owner

    def __enter__(self) -> Self:
        """Hold the slot."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Release it."""
        self._slots.release(self._owner)
