"""Keep only the newest quote of each symbol of one read, while the service is behind; no I/O.

The fill rule stays sound when updates are missed: it then fills less, never more. So a process that
cannot keep up skips replaced quotes. Otherwise it would fill on ever older quotes until the venue
disconnects it.

Conflation happens within one read of the socket, and the remaining texts are delivered before that
read ends. So no seed, cancel or end of the connection can come before a quote that still waits.

Within a read, only texts with the exact form of the venue's quotes are skipped. Any other text (an
answer, a notice, garbage) keeps its place after all earlier texts. An update id that does not rise
replaces nothing: both quotes are delivered, so that falling ids are noticed.
"""

import re
from collections.abc import Sequence
from typing import Final

BEHIND_SECONDS: Final = 2.0
"""A burst that is handled within this time loses no quote."""

_QUOTE: Final = re.compile(
    rb'(?:\{"stream":"([^"\\]{1,80})","data":)?'
    rb'\{"u":([1-9]\d{0,17}),"s":"([^"\\]{1,64})",'
    rb'"b":"\d+(?:\.\d+)?","B":"\d+(?:\.\d+)?","a":"\d+(?:\.\d+)?","A":"\d+(?:\.\d+)?"'
    rb"\}(?(1)\})"
).fullmatch


def newest_of_each(texts: Sequence[bytes]) -> list[bytes]:
    """Return the texts of one read that must be delivered, in order.

    Each skipped text is followed by a quote of the same symbol (and the same stream, if named) with
    a greater update id.
    """
    delivered: list[bytes] = []
    newest: dict[object, tuple[int, bytes]] = {}
    for text in texts:
        quote = _QUOTE(text)
        if quote is None:
            # Not a quote: it must stay behind the quotes before it.
            delivered.extend(frame for _, frame in newest.values())
            newest.clear()
            delivered.append(text)
            continue
        key: object = quote[3] if quote[1] is None else quote.group(1, 3)
        update_id = int(quote[2])
        replaced = newest.pop(key, None)  # so that the new quote goes to the end
        if replaced is not None and replaced[0] >= update_id:
            delivered.append(replaced[1])
        newest[key] = (update_id, text)
    delivered.extend(frame for _, frame in newest.values())
    return delivered


class Backlog:
    """Whether we are behind: each read left unread data for ``seconds``.

    A burst that is handled sooner loses no quote, however large it is.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._since: float | None = None
        self.is_behind = False

    @property
    def is_waiting(self) -> bool:
        """Whether the last read left unread data."""
        return self._since is not None

    def note_read(self, unread_bytes: int, now: float) -> bool:
        """Note how much data is unread after a read; return whether ``is_behind`` changed.

        ``now`` is the event loop's time in seconds.
        """
        was_behind = self.is_behind
        if not unread_bytes:
            self._since = None
            self.is_behind = False
        elif self._since is None:
            self._since = now
        else:
            self.is_behind = now - self._since >= self._seconds
        return self.is_behind is not was_behind
