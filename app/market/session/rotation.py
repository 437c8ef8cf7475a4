"""Replaces a connection before the venue closes it. The new one opens first, so nothing is missed.

1. The old session keeps delivering. A second session opens, subscribes to all streams, and stores
   its frames in order.
2. When the second session has all streams of the old one, and the old one has delivered everything
   before the stored frames, the old one sends a close frame. It delivers until the venue answers:
   TCP keeps the order, so the answer follows everything that the venue sent before.
3. The new session delivers the stored frames, except those that the old one delivered, and takes
   over. No listener is interrupted, and no seed is needed.

If the old session ends for any other reason, the new one takes over at once. If the new one fails,
the old one continues, and the rotation starts again after a pause.
"""

import asyncio
from collections.abc import Mapping
from typing import Protocol

from app.domain.order import Symbol
from app.market.session.session import SharedParts, VenueSession
from app.market.session.symbol_stream import SymbolStream
from app.market.transport.pacing import Backoff


class RotationOwner(Protocol):
    """Who has the sessions."""

    @property
    def present(self) -> VenueSession | None:
        """The session that delivers; None once it is lost, and then the rotation is canceled."""

    @property
    def streams(self) -> Mapping[Symbol, SymbolStream]:
        """What somebody listens to."""

    async def open_next(self) -> VenueSession | None:
        """Open a session that keeps its frames and becomes the present one when that one ends.

        None if that failed.
        """


class Rotation:
    """Rotates the sessions of one owner, again and again."""

    def __init__(self, owner: RotationOwner, parts: SharedParts) -> None:
        self._owner = owner
        self._timing = parts.timing
        self._random = parts.random_source
        self._hurry = asyncio.Event()

    def hurry(self) -> None:
        """Rotate now: the venue is about to close the present session."""
        self._hurry.set()

    async def run(self) -> None:
        """Rotate whenever it is due; return once no session is left to rotate."""
        timing = self._timing
        while (present := self._owner.present) is not None:
            await self._wait_until_due(present)
            backoff = Backoff(self._random, first_seconds=timing.pause_seconds_first)
            is_rotated = False
            while not is_rotated:
                is_rotated = await self._rotate()
                if not is_rotated:
                    await asyncio.sleep(backoff.next_seconds(most_seconds=timing.pause_seconds_max))

    async def _wait_until_due(self, present: VenueSession) -> None:
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
        """Try once; False if the same session as before is the present one."""
        old = self._owner.present
        if old is not None and old.kept is not None:
            return False  # its own rotation is not quite over
        new = await self._owner.open_next()
        if old is not None and new is not None:
            await self._wait_until_ready(old, new)
            if new.is_open and self._owner.present is old:
                await old.finish()
        return self._owner.present is not old

    async def _wait_until_ready(self, old: VenueSession, new: VenueSession) -> None:
        """Return once the new session may take over, or either of them is gone.

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

    def _has_all_streams(self, old: VenueSession, new: VenueSession) -> bool:
        return all(
            new.is_flowing(symbol) for symbol in self._owner.streams if old.is_flowing(symbol)
        )

    def _has_caught_up(self, new: VenueSession) -> bool:
        kept = new.kept
        return kept is None or all(
            kept.has_caught_up(stream) for stream in self._owner.streams.values()
        )
