"""Replace a connection before the venue closes it. The new one opens first, so no frame is missed.

1. The old session keeps delivering. A second session opens, subscribes to all streams, and buffers
   its frames.
2. The old session sends a close frame once two things hold: the second session has all streams of
   the old one, and the old one has delivered everything before the buffered frames. It delivers
   until the venue answers. TCP keeps the order, so the answer follows every frame that the venue
   sent before.
3. The new session takes over and delivers the buffered frames, except those that the old one
   delivered. No listener is interrupted, and no seed is needed.

If the old session ends for any other reason, the new one takes over immediately. If the new one
fails, the old one continues, and the rotation restarts after a pause.
"""

import asyncio
from typing import TYPE_CHECKING

from app.market.session.session import SharedParts, VenueSession
from app.market.transport.pacing import Backoff

if TYPE_CHECKING:
    from app.market.session.supervisor import SessionSupervisor


class Rotation:
    """Rotates the sessions of one owner repeatedly."""

    def __init__(self, owner: "SessionSupervisor", parts: SharedParts) -> None:
        self._owner = owner
        self._timing = parts.timing
        self._random = parts.random_source
        self._rotate_now = asyncio.Event()

    def rotate_now(self) -> None:
        """Rotate immediately: the venue announced that it will close the session."""
        self._rotate_now.set()

    async def run(self) -> None:
        """Rotate when due; return once there is no session left."""
        timing = self._timing
        while (current := self._owner.current) is not None:
            await self._wait_until_due(current)
            backoff = Backoff(self._random, first_seconds=timing.pause_seconds_first)
            is_rotated = False
            while not is_rotated:
                is_rotated = await self._rotate()
                if not is_rotated:
                    await asyncio.sleep(backoff.next_seconds(most_seconds=timing.pause_seconds_max))

    async def _wait_until_due(self, current: VenueSession) -> None:
        self._rotate_now.clear()
        if current.is_shutdown_announced:  # the notice came before this wait began
            return
        part = 1 - self._random.uniform(0, self._timing.rotation_part_sooner_max)
        due_at = current.opened_at + self._timing.rotation_seconds * part
        try:
            async with asyncio.timeout_at(due_at):
                await self._rotate_now.wait()
        except TimeoutError:
            return

    async def _rotate(self) -> bool:
        """Try to rotate once; return False if the current session is the same as before."""
        old = self._owner.current
        if old is not None and old.buffer is not None:
            return False  # it still delivers its own buffered frames
        new = await self._owner.open_next_session()
        if old is not None and new is not None:
            await self._wait_until_ready(old, new)
            if new.is_open and self._owner.current is old:
                await old.finish()
        return self._owner.current is not old

    async def _wait_until_ready(self, old: VenueSession, new: VenueSession) -> None:
        """Return once the new session may take over, or either session is gone.

        The check is polled: a rotation happens once a day and needs no event of its own.
        """
        timing = self._timing
        loop = asyncio.get_running_loop()
        complete_at: float | None = None
        while new.is_open and self._owner.current is old:
            now = loop.time()
            if now - new.opened_at >= timing.rotation_ready_seconds_max:
                return
            if not self._has_all_streams(old, new):
                complete_at = None
            elif complete_at is None:
                complete_at = now  # frames may still be on their way until the next check
            elif self._has_caught_up(new) or now - complete_at >= timing.overlap_seconds_max:
                return
            await asyncio.sleep(timing.rotation_look_seconds)

    def _has_all_streams(self, old: VenueSession, new: VenueSession) -> bool:
        return all(
            new.is_flowing(symbol) for symbol in self._owner.streams if old.is_flowing(symbol)
        )

    def _has_caught_up(self, new: VenueSession) -> bool:
        buffer = new.buffer
        return buffer is None or all(
            buffer.has_caught_up(stream) for stream in self._owner.streams.values()
        )
