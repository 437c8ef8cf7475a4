"""Who listens to one symbol's stream, and what they were told last; no I/O."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import structlog

from app.domain.order import Symbol
from app.domain.quote import Quote
from app.ports import QuoteListener

_log = structlog.get_logger()


@dataclass(slots=True, kw_only=True, eq=False)
class Subscription:
    """One listener of a stream, counted by reference.

    A listener that is not seeded waits for a seed. If ``confirmed_above`` is not None, it has a
    quote and wants it confirmed, by a seed or by any frame above that update id.
    """

    listener: QuoteListener
    references: int
    is_seeded: bool = False
    confirmed_above: int | None = None


class SymbolStream:
    """One symbol's listeners, and the last step of a quote's way to them.

    A listener that fails is logged and counted: one symbol's trouble must not cut off the others
    on the connection. ``distrusted`` counts how often the quotes became worthless, to recognize a
    seed that was asked for before. ``seed_trouble`` and ``is_seed_stale`` tell how the last attempt
    to get one ended, ``asked_at`` when it was made, in seconds of the event loop.

    ``last_update_id`` is the highest one of its frames since the stream was last begun anew, 0
    without any. ``went_back_since_ns`` is when the first frame came that was not above it, with
    none above it since. ``current`` is the newest of the frames and seeds that were told.
    """

    def __init__(self, symbol: Symbol, counters: Counter[str], *, wanted_since_ns: int = 0) -> None:
        self.symbol = symbol
        self.wanted_since_ns = wanted_since_ns
        self.distrusted = 0
        self.seed_trouble: str | None = None
        self.is_seed_stale = False
        self.asked_at = float("-inf")
        self.last_update_id = 0
        self.went_back_since_ns: int | None = None
        self.current: Quote | None = None
        self._repeated_until = 0
        self._counters = counters
        self._subscriptions: list[Subscription] = []
        # Replaced, never changed: a listener may unsubscribe while it is told something.
        self._listeners: tuple[QuoteListener, ...] = ()

    @property
    def has_listeners(self) -> bool:
        """Whether anybody listens."""
        return bool(self._listeners)

    def add(self, listener: QuoteListener) -> None:
        """Count a listener in; a new one waits for a seed of its own."""
        known = self._find(listener)
        if known is not None:
            known.references += 1
            return
        self._subscriptions.append(Subscription(listener=listener, references=1))
        self._listeners = (*self._listeners, listener)

    def remove(self, listener: QuoteListener) -> None:
        """Count a listener out; one that does not listen is no matter."""
        known = self._find(listener)
        if known is None:
            return
        known.references -= 1
        if not known.references:
            self._subscriptions.remove(known)
            self._listeners = tuple(one.listener for one in self._subscriptions)

    def unseeded(self) -> list[Subscription]:
        """Return who still waits for a seed."""
        return [one for one in self._subscriptions if not one.is_seeded]

    def deliver(self, quote: Quote) -> None:
        """Pass a frame's quote on."""
        update_id = quote.update_id
        if update_id > self.last_update_id:
            self.last_update_id = update_id
            self.went_back_since_ns = None
        else:
            if self.went_back_since_ns is None:
                self.went_back_since_ns = quote.received_ns
            if update_id <= self._repeated_until:
                self._counters["rotation_duplicates"] += 1
                return
        if self.current is None or update_id > self.current.update_id:
            self.current = quote
        for listener in self._listeners:
            try:
                listener.on_quote(quote)
            except Exception:  # noqa: BLE001 - it must not cut off the other symbols
                self._counters["listener_failures"] += 1
                _log.exception("quote_listener_failed", symbol=self.symbol)

    def offer(self, seed: Quote, subscriptions: Iterable[Subscription]) -> bool:
        """Pass a seed on to those of ``subscriptions`` who still listen; False if one refused."""
        if self.current is None or seed.update_id > self.current.update_id:
            self.current = seed
        present = [one for one in subscriptions if one.references]
        for subscription in present:
            is_content = self._tell(partial(subscription.listener.on_seed, seed))
            subscription.is_seeded = is_content
            if is_content:
                subscription.confirmed_above = None
        return all(subscription.is_seeded for subscription in present)

    def is_contradicted_by(self, seed: Quote) -> bool:
        """Whether a seed shows another touch than what was told last, and is newer."""
        current = self.current
        return (
            current is not None
            and seed.update_id > current.update_id
            and _touch(seed) != _touch(current)
        )

    def distrust(self) -> None:
        """Tell everybody that what was quoted is no longer current; new seeds are due."""
        self.distrusted += 1
        self.current = None
        self.want_seeds()
        for listener in self._listeners:
            self._tell(listener.on_interrupted)

    def begin_anew(self) -> None:
        """Distrust, and forget the update ids: another connection may count from elsewhere."""
        self.last_update_id = self._repeated_until = 0
        self.went_back_since_ns = None
        self.distrust()

    def change_connection(self) -> None:
        """Go on with another connection, which may lag behind and repeat what was delivered."""
        self._repeated_until = self.last_update_id

    def want_seeds(self) -> None:
        """Make a seed due for everybody, without a word: what they have may still be current."""
        for subscription in self._subscriptions:
            subscription.is_seeded = False
            subscription.confirmed_above = None

    def want_confirmation(self, listener: QuoteListener) -> None:
        """Make a seed due for a listener, unless a newer frame comes first.

        Newer than now: the frame that came since it asked before may be what it asks about.
        """
        known = self._find(listener)
        if known is not None and (known.is_seeded or known.confirmed_above is not None):
            known.is_seeded = False
            known.confirmed_above = self.last_update_id
            if self.current is not None:
                known.confirmed_above = max(self.last_update_id, self.current.update_id)

    @property
    def wants_confirmation_only(self) -> bool:
        """Whether all who wait for a seed have a quote, so that it may wait for its turn."""
        return all(one.confirmed_above is not None for one in self.unseeded())

    def note_confirmations(self) -> None:
        """Take those off the list whose quote was replaced by a frame meanwhile."""
        for one in self._subscriptions:
            if one.confirmed_above is not None and self.last_update_id > one.confirmed_above:
                one.confirmed_above = None
                one.is_seeded = True

    def _tell(self, tell: Callable[[], bool | None]) -> bool:
        try:
            return bool(tell())
        except Exception:  # noqa: BLE001 - likewise
            self._counters["listener_failures"] += 1
            _log.exception("quote_listener_failed", symbol=self.symbol)
            return False

    def _find(self, listener: QuoteListener) -> Subscription | None:
        return next((one for one in self._subscriptions if one.listener is listener), None)


def _touch(quote: Quote) -> tuple[object, ...]:
    return quote.bid_price, quote.bid_quantity, quote.ask_price, quote.ask_quantity
