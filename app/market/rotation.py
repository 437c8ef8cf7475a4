"""Replaces a connection before the venue ends it, new connection first, without a gap.

1. The old link goes on delivering. A second one is opened, subscribes everything, and keeps its
   frames in order.
2. Once it has all streams that the old one has, and the old one has delivered what came before the
   kept frames, we say goodbye to the old one. It goes on delivering until the venue has answered:
   TCP keeps the order, so what the venue had sent is there by then.
3. Then the kept frames are delivered, but for those that the old one did deliver, and the new link
   is the present one. Nobody is interrupted, and no seed is needed.

Whatever ends the old link, planned or not, makes the new one the present one. If the new one fails,
the old one goes on and all begins again after a pause.
"""

import asyncio
from collections.abc import Mapping
from typing import Protocol

from app.domain.order import Symbol
from app.market.link import SharedParts, VenueLink
from app.market.pacing import Backoff
from app.market.symbol_stream import SymbolStream


class RotationOwner(Protocol):
    """Who has the links."""

    @property
    def present(self) -> VenueLink | None:
        """The link that delivers; None once it is lost, and then the rotation is canceled."""

    @property
    def streams(self) -> Mapping[Symbol, SymbolStream]:
        """What somebody listens to."""

    async def open_next(self) -> VenueLink | None:
        """Open a link that keeps its frames and becomes the present one when that one ends.

        None if that failed.
        """


class Rotation:
    """Rotates the links of one owner, again and again."""

    def __init__(self, owner: RotationOwner, parts: SharedParts) -> None:
        self._owner = owner
        self._timing = parts.timing
        self._random = parts.random_source
        self._hurry = asyncio.Event()

    def hurry(self) -> None:
        """Rotate now: the venue is about to close the present link."""
        self._hurry.set()

    async def run(self) -> None:
        """Rotate whenever it is due; return once no link is left to rotate."""
        timing = self._timing
        while (present := self._owner.present) is not None:
            await self._wait_until_due(present)
            backoff = Backoff(self._random, first_seconds=timing.pause_seconds_first)
            is_rotated = False
            while not is_rotated:
                is_rotated = await self._rotate()
                if not is_rotated:
                    await asyncio.sleep(backoff.next_seconds(most_seconds=timing.pause_seconds_max))

    async def _wait_until_due(self, present: VenueLink) -> None:
        self._hurry.clear()
        if present.is_announced:  # while it took over, when nobody waited here
            return
        part = 1 - self._random.uniform(0, self._timing.rotation_part_sooner_max)
        due_at = present.opened_at + self._timing.rotation_seconds * part
        try:
            async with asyncio.timeout_at(due_at):
                await self._hurry.wait()
        except TimeoutError:
            return

    async def _rotate(self) -> bool:
        """Try once; False if the same link as before is the present one."""
        old = self._owner.present
        if old is not None and old.kept is not None:
            return False  # its own rotation is not quite over
        new = await self._owner.open_next()
        if old is not None and new is not None:
            await self._wait_until_ready(old, new)
            if new.is_open and self._owner.present is old:
                await old.finish()
        return self._owner.present is not old

    async def _wait_until_ready(self, old: VenueLink, new: VenueLink) -> None:
        """Return once the new link may take over, or either of them is gone.

        It is looked at again and again: no event is needed for what happens once a day.
        """
        timing = self._timing
        loop = asyncio.get_running_loop()
        complete_at: float | None = None
        while new.is_open and self._owner.present is old:
            now = loop.time()
            if now - new.opened_at >= timing.rotation_ready_seconds_max:
                return
            if not self._has_all_streams(old, new):
                complete_at = None
            elif complete_at is None:
                complete_at = now  # it settles until the next look
            elif self._has_caught_up(new) or now - complete_at >= timing.overlap_seconds_max:
                return
            await asyncio.sleep(timing.rotation_look_seconds)

    def _has_all_streams(self, old: VenueLink, new: VenueLink) -> bool:
        return all(
            new.is_flowing(symbol) for symbol in self._owner.streams if old.is_flowing(symbol)
        )

    def _has_caught_up(self, new: VenueLink) -> bool:
        kept = new.kept
        return kept is None or all(
            kept.has_caught_up(stream) for stream in self._owner.streams.values()
        )
