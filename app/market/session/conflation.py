"""Of what one read brought, only the newest quote of each symbol: what we do while we are behind.

The fill rule stays sound when updates are missed: it then errs to the strict side. So a process
that cannot keep up skips quotes that were replaced already, rather than fill on ever older ones
until the venue cuts it off.

It is done within one read of the socket, and what is left of it is delivered before that read ends.
So nothing else can come between: no seed, no cancel, no end of the connection meets a quote that
still waits. Within the read, only frames that look exactly like the venue's quotes are skipped.
Whatever else stands among them, an answer, a notice, garbage, is delivered in its place, after all
that came before it. And an update id that is not above the one before hides nothing: both are
delivered, so that ids that go back are noticed. No I/O.
"""

import re
from collections.abc import Sequence
from typing import Final

BEHIND_SECONDS: Final = 2.0
"""The largest burst that is worked off in that time loses nothing."""

_QUOTE: Final = re.compile(
    rb'(?:\{"stream":"([^"\\]{1,80})","data":)?'
    rb'\{"u":([1-9]\d{0,17}),"s":"([^"\\]{1,64})",'
    rb'"b":"\d+(?:\.\d+)?","B":"\d+(?:\.\d+)?","a":"\d+(?:\.\d+)?","A":"\d+(?:\.\d+)?"'
    rb"\}(?(1)\})"
).fullmatch


def newest_of_each(texts: Sequence[bytes]) -> list[bytes]:
    """Return what is to be delivered of the texts of one read, in their order.

    A text that is skipped is followed by one of its symbol, and of the same stream if they are
    named, that has a greater update id.
    """
    left: list[bytes] = []
    newest: dict[object, tuple[int, bytes]] = {}
    for text in texts:
        quote = _QUOTE(text)
        if quote is None:
            left.extend(one for _, one in newest.values())
            newest.clear()
            left.append(text)
            continue
        key: object = quote[3] if quote[1] is None else quote.group(1, 3)
        update_id = int(quote[2])
        replaced = newest.pop(key, None)  # so that it goes to the end
        if replaced is not None and replaced[0] >= update_id:
            left.append(replaced[1])
        newest[key] = (update_id, text)
    left.extend(one for _, one in newest.values())
    return left


class Backlog:
    """Whether we are behind: for so long, each read left something unread.

    A burst that is worked off sooner loses nothing, however large it is.
    """

    def __init__(self, seconds: float) -> None:
        self._patience_seconds = seconds
        self._since: float | None = None
        self.is_behind = False

    @property
    def is_waiting(self) -> bool:
        """Whether the last read left something unread."""
        return self._since is not None

    def note_read(self, unread_bytes: int, now: float) -> bool:
        """Take what waits in the socket after a read was worked off; True if that changes it.

        ``now`` is the event loop's time in seconds.
        """
        was_behind = self.is_behind
        if not unread_bytes:
            self._since = None
            self.is_behind = False
        elif self._since is None:
            self._since = now
        else:
            self.is_behind = now - self._since >= self._patience_seconds
        return self.is_behind is not was_behind
