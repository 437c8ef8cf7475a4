"""How many connections may follow events: in all, of one owner, of those nobody knows yet.

Whoever has not sent a key yet takes none of the places of those who have: else peers without a key
could keep everybody out.
"""

from collections import Counter
from types import TracebackType
from typing import Final, Self

from app.api.problems import TooManyStreamsError
from app.domain.order import Owner

STRANGERS_MAX: Final = 64
"""Connections whose client has not said yet who it is; it has a few seconds to do so."""


class StreamPlaces:
    """The places of all connections of the service."""

    def __init__(self, *, total_max: int, per_owner_max: int) -> None:
        self._total_max = total_max
        self._per_owner_max = per_owner_max
        self._taken = Counter[Owner]()
        self._taken_total = 0
        self._strangers = 0

    def take(self, owner: Owner | None) -> "StreamPlace":
        """Take a place for an owner's connection, or for one of nobody knows whom (None).

        Raises:
            TooManyStreamsError: there is none.
        """
        self.count(owner)
        return StreamPlace(self, owner)

    def count(self, owner: Owner | None) -> None:
        """Take a place, to be given back by ``give_back``; raises like ``take``."""
        if owner is None:
            if self._strangers >= STRANGERS_MAX:
                raise TooManyStreamsError(STRANGERS_MAX, "that have not sent a key yet")
            self._strangers += 1
            return
        if self._taken_total >= self._total_max:
            raise TooManyStreamsError(self._total_max, "in all")
        if self._taken[owner] >= self._per_owner_max:
            raise TooManyStreamsError(self._per_owner_max, "of one owner")
        self._taken[owner] += 1
        self._taken_total += 1

    def give_back(self, owner: Owner | None) -> None:
        """Let others have a place that was counted."""
        if owner is None:
            self._strangers -= 1
            return
        self._taken_total -= 1
        self._taken[owner] -= 1
        if not self._taken[owner]:
            del self._taken[owner]


class StreamPlace:
    """The place of one connection, given back at the end of the block."""

    def __init__(self, places: StreamPlaces, owner: Owner | None) -> None:
        self._places = places
        self._owner = owner

    def pass_to(self, owner: Owner) -> None:
        """Change for a place of ``owner``, who the client turned out to be.

        Raises:
            TooManyStreamsError: there is none; the old place is kept.
        """
        if owner != self._owner:
            self._places.count(owner)
            self._places.give_back(self._owner)
            self._owner = owner

    def __enter__(self) -> Self:
        """Hold the place."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Give it back."""
        self._places.give_back(self._owner)
