"""The listeners of one symbol's stream, and the quotes delivered to them; no I/O."""

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

    Attributes:
        listener: gets the quotes.
        references: how often it subscribed.
        is_seeded: False while it waits for a seed.
        confirmed_above: if not None, the listener has a quote and waits for a confirmation, by a
            seed or by any frame above this update id.
    """

    listener: QuoteListener
    references: int
    is_seeded: bool = False
    confirmed_above: int | None = None


class SymbolStream:
    """One symbol's listeners, and the last step of a quote's way to them.

    A failing listener is logged and counted, so that it cannot affect other symbols on the
    connection.

    Attributes:
        wanted_since_ns: monotonic time at which the stream got its first listener.
        distrusted: how often its quotes became worthless; reveals a seed requested before.
        seed_error: why the last seed request failed; None if it succeeded.
        is_seed_stale: whether a listener refused the last seed.
        is_halted: whether the venue refused the last seed because the symbol does not trade.
        seed_requested_at: event-loop time of the last seed request.
        last_update_id: highest id of its frames since the last ``restart``; 0 without frames.
        went_back_since_ns: arrival of the first frame that was not above that id; None once a frame
            was.
        current: the newest of the delivered frames and seeds.
    """

    def __init__(self, symbol: Symbol, counters: Counter[str], *, wanted_since_ns: int = 0) -> None:
        self.symbol = symbol
        self.wanted_since_ns = wanted_since_ns
        self.distrusted = 0
        self.seed_error: str | None = None
        self.is_seed_stale = False
        self.is_halted = False
        self.seed_requested_at = float("-inf")
        self.last_update_id = 0
        self.went_back_since_ns: int | None = None
        self.current: Quote | None = None
        self._duplicates_until = 0
        self._counters = counters
        self._subscriptions: list[Subscription] = []
        # A new tuple for each change: a listener may unsubscribe while it is called.
        self._listeners: tuple[QuoteListener, ...] = ()

    @property
    def has_listeners(self) -> bool:
        """Whether there are listeners."""
        return bool(self._listeners)

    def add(self, listener: QuoteListener) -> None:
        """Subscribe a listener; a new one waits for its own seed."""
        subscription = self._find(listener)
        if subscription is not None:
            subscription.references += 1
            return
        self._subscriptions.append(Subscription(listener=listener, references=1))
        self._listeners = (*self._listeners, listener)

    def remove(self, listener: QuoteListener) -> None:
        """Take back one ``add``; an unknown listener is ignored."""
        subscription = self._find(listener)
        if subscription is None:
            return
        subscription.references -= 1
        if not subscription.references:
            self._subscriptions.remove(subscription)
            self._listeners = tuple(entry.listener for entry in self._subscriptions)

    def unseeded(self) -> list[Subscription]:
        """Return the subscriptions that wait for a seed."""
        return [entry for entry in self._subscriptions if not entry.is_seeded]

    def deliver(self, quote: Quote) -> None:
        """Deliver a frame's quote."""
        update_id = quote.update_id
        if update_id > self.last_update_id:
            self.last_update_id = update_id
            self.went_back_since_ns = None
        else:
            if self.went_back_since_ns is None:
                self.went_back_since_ns = quote.received_ns
            if update_id <= self._duplicates_until:  # delivered by the connection before
                self._counters["rotation_duplicates"] += 1
                return
        if self.current is None or update_id > self.current.update_id:  # a seed may be ahead
            self.current = quote
        for listener in self._listeners:
            try:
                listener.on_quote(quote)
            except Exception:  # noqa: BLE001 - it must not affect other symbols
                self._counters["listener_failures"] += 1
                _log.exception("quote_listener_failed", symbol=self.symbol)

    def offer(self, seed: Quote, subscriptions: Iterable[Subscription]) -> bool:
        """Offer a seed to ``subscriptions`` that still exist; return False if one refused it."""
        if self.current is None or seed.update_id > self.current.update_id:
            self.current = seed
        present = [entry for entry in subscriptions if entry.references]  # some left since
        for subscription in present:
            is_accepted = self._call_listener(partial(subscription.listener.on_seed, seed))
            subscription.is_seeded = is_accepted
            if is_accepted:
                subscription.confirmed_above = None
        return all(subscription.is_seeded for subscription in present)

    def is_contradicted_by(self, seed: Quote) -> bool:
        """Whether a newer seed shows another best bid or ask than the last delivery."""
        current = self.current
        return (
            current is not None
            and seed.update_id > current.update_id
            and _best_bid_and_ask(seed) != _best_bid_and_ask(current)
        )

    def distrust(self) -> None:
        """Tell all listeners that the last quote is not current, and make new seeds due."""
        self.distrusted += 1
        self.current = None
        self.request_seeds()
        for listener in self._listeners:
            self._call_listener(listener.on_interrupted)

    def restart(self) -> None:
        """Distrust, and forget the update ids: another connection may count differently."""
        self.last_update_id = self._duplicates_until = 0
        self.went_back_since_ns = None
        self.distrust()

    def change_connection(self) -> None:
        """Continue on another connection, which may lag behind and repeat quotes."""
        self._duplicates_until = self.last_update_id

    def request_seeds(self) -> None:
        """Make a seed due for all listeners silently: their quotes may still be current."""
        for subscription in self._subscriptions:
            subscription.is_seeded = False
            subscription.confirmed_above = None

    def request_confirmation(self, listener: QuoteListener) -> None:
        """Make a seed due for a listener, unless a newer frame arrives first.

        Newer than now: a frame since the listener's previous request may be the one in question.
        """
        subscription = self._find(listener)
        if subscription is not None and (
            subscription.is_seeded or subscription.confirmed_above is not None
        ):
            subscription.is_seeded = False
            subscription.confirmed_above = self.last_update_id
            if self.current is not None:
                subscription.confirmed_above = max(self.last_update_id, self.current.update_id)

    @property
    def awaits_confirmation_only(self) -> bool:
        """Whether every waiting listener has a quote, so the seed may be delayed."""
        return all(entry.confirmed_above is not None for entry in self.unseeded())

    def note_confirmations(self) -> None:
        """Mark listeners as seeded if a newer frame replaced their quote."""
        for entry in self._subscriptions:
            if entry.confirmed_above is not None and self.last_update_id > entry.confirmed_above:
                entry.confirmed_above = None
                entry.is_seeded = True

    def _call_listener(self, call: Callable[[], bool | None]) -> bool:
        try:
            return bool(call())
        except Exception:  # noqa: BLE001 - as in ``deliver``
            self._counters["listener_failures"] += 1
            _log.exception("quote_listener_failed", symbol=self.symbol)
            return False

    def _find(self, listener: QuoteListener) -> Subscription | None:
        return next((entry for entry in self._subscriptions if entry.listener is listener), None)


def _best_bid_and_ask(quote: Quote) -> tuple[object, ...]:
    return quote.bid_price, quote.bid_quantity, quote.ask_price, quote.ask_quantity
