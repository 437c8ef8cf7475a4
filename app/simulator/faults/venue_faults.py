"""The faults of a venue, and its state.

Faults of connections (``drop``, ``stall``, ``swallow`` and others) affect the connections that are
open when the fault starts. A client that reconnects is served, as if one of many machines had
failed. Faults of streams, REST and the listener affect all clients. ``clear`` ends all faults.
"""

import asyncio
import dataclasses
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from app.domain.rules import TRADING
from app.ports import Clock
from app.simulator.faults.market_time import MarketTime
from app.simulator.market.playback import Market
from app.simulator.market.venue_quotes import VenueQuote, epoch_ms, with_update_id
from app.simulator.market_data.publisher import MarketDataPublisher
from app.simulator.market_data.symbol_data import SymbolData
from app.simulator.venue.client_admission import Admission
from app.simulator.venue.client_connection import GOING_AWAY, POLICY_VIOLATION, VenueConnection
from app.simulator.venue.http_answers import (
    HTML,
    JSON,
    MAINTENANCE_PAGE,
    default_body,
    http_answer,
    is_page,
)
from app.simulator.venue.listed_symbols import ListedSymbols
from app.simulator.venue.listing import HALTED
from app.simulator.venue.observations import Observations
from app.simulator.venue.rest_api import RestApi, RestFailure
from app.simulator.venue.subscribers import Subscribers
from app.simulator.venue.venue_limits import VenueLimits

if TYPE_CHECKING:
    from app.simulator.venue.listener import VenueListener

DELAY_SECONDS_MAX: Final = 600.0
"""Greatest delay of an answer or a handshake."""

VIOLATIONS_SHOWN_MAX: Final = 100

_SECONDS_PER_NS: Final = 1e-9


class VenueFaults(MarketTime):
    """The faults of a venue, with the state that they change; ``SimulatedVenue`` serves it.

    The first line of a fault's docstring describes it in the control API, too. Where an argument is
    optional, None means all symbols, all paths or no limit. A number of 0 ends a fault.

    Raises:
        ValueError: from each method, if the market does not have the symbol.
    """

    def __init__(self, market: Market, *, clock: Clock, limits: VenueLimits) -> None:
        super().__init__(ListedSymbols(market.listings))
        self.observations = Observations()
        self._clock = clock
        self._limits = limits
        self._id_shifts: dict[str, int] = {}
        self._subscribers = Subscribers(self.observations)
        self._data: dict[str, SymbolData] = {}
        self._market_data = MarketDataPublisher(
            listed=self._listed, data=self._data, subscribers=self._subscribers, clock=clock
        )
        self._admission = Admission(clock=clock, limits=limits, observations=self.observations)
        self._rest = RestApi(
            listed=self._listed,
            data=self._data,
            admission=self._admission,
            clock=clock,
            limits=limits,
        )
        self._peers: set[VenueConnection] = set()
        self._listener: VenueListener | None = None
        self._refusing_status: int | None = None
        self._is_resetting = False
        self._handshake_delay_seconds = 0.0

    # --- connections --------------------------------------------------------------------------

    def drop_connections(self) -> None:
        """Cut all streams without a closing frame."""
        for connection in self._open_connections():
            connection.transport.abort()

    def close_connections(self, code: int = POLICY_VIOLATION, reason: str = "") -> None:
        """Close all streams with a closing frame."""
        for connection in self._open_connections():
            connection.cut(code, reason)

    def stall(self, *, on: bool = True) -> None:
        """Send no quotes on the open streams; pings and depth continue."""
        for connection in self._open_connections():
            connection.is_stalled = on

    def swallow(self, *, on: bool = True) -> None:
        """Leave the open streams half open: nothing is sent or answered, not even a pong."""
        for connection in self._open_connections():
            connection.is_swallowing = on

    def announce_shutdown(self, seconds: float | None = None) -> None:
        """Announce serverShutdown on all streams.

        The streams close after ``seconds``, unless it is None.
        """
        notice = f'{{"e":"serverShutdown","E":{epoch_ms(self._clock)}}}'
        combined = f'{{"stream":"!serverShutdown","data":{notice}}}'
        for connection in self._open_connections():
            text = combined if connection.subscriptions.is_combined else notice
            connection.send_payload(text.encode())
            if seconds is not None:
                connection.loop.call_later(seconds, connection.cut, GOING_AWAY, "server shutdown")

    # --- the listener -------------------------------------------------------------------------

    def vanish(self, seconds: float) -> None:
        """Cut all streams and refuse TCP connections, also to this API."""
        if self._listener is not None:
            self._listener.shut(seconds)
        self.drop_connections()

    @property
    def is_vanished(self) -> bool:
        """Whether the venue has vanished and is not back yet."""
        return self._listener is not None and self._listener.is_shut

    async def reappear(self) -> None:
        """Accept connections again before the time of ``vanish`` is over."""
        if self._listener is not None:
            await self._listener.reopen()

    def refuse_connections(self, *, on: bool = True, status: int = 502) -> None:
        """Answer handshakes with a status."""
        self._refusing_status = status if on else None

    def reset_handshakes(self, *, on: bool = True) -> None:
        """Cut each connection that requests a stream."""
        self._is_resetting = on

    def delay_handshakes(self, seconds: float) -> None:
        """Delay the answer to each handshake."""
        self._handshake_delay_seconds = seconds

    # --- frames -------------------------------------------------------------------------------

    def mute(self, symbol: str, *, on: bool = True) -> None:
        """Send no quotes of a symbol; its depth continues."""
        muted = self._subscribers.faults.muted
        change = muted.add if on else muted.discard
        change(self._checked_symbol(symbol))

    def duplicate(self, frames: int | None = None) -> None:
        """Send each frame twice."""
        self._subscribers.faults.duplicating.left = frames

    def reorder(self, frames: int | None = None) -> None:
        """Send each frame after the next frame of its symbol."""
        self._subscribers.faults.reordering.left = frames

    def resend(self, symbol: str, frames: int = 10) -> int:
        """Send the last frames of a symbol again.

        Returns:
            Their number.
        """
        return self._subscribers.resend(self._checked_symbol(symbol), frames)

    def garbage(self, kind: str, *, symbol: str | None = None) -> int:
        """Send a spoiled frame now, in addition to the quotes.

        Returns:
            The number of receivers.
        """
        symbols = [listing.symbol for listing in self._listed] if symbol is None else [symbol]
        quotes = [self._quotes[self._checked_symbol(one)] for one in symbols]
        return sum(self._subscribers.send_garbage(kind, quote) for quote in quotes)

    def spoil(self, kind: str, *, symbol: str | None = None, frames: int | None = 1) -> None:
        """Spoil the next quotes."""
        if symbol is not None:
            self._checked_symbol(symbol)
        self._subscribers.faults.spoil(kind, symbol=symbol, frames=frames)

    def send_frame(self, symbol: str, data: str) -> int:
        """Send any text on the stream of a symbol.

        The current quote of the venue stays the same.

        Returns:
            The number of receivers.
        """
        return self._subscribers.send(symbol, data)

    # --- REST ---------------------------------------------------------------------------------

    def rest_failure(
        self,
        status: int,
        body: str | None = None,
        retry_after: int | None = None,
        *,
        path: str | None = None,
        times: int | None = None,
    ) -> None:
        """Answer REST requests with a status.

        Args:
            status: the HTTP status.
            body: the body; None for the usual body of Binance with this status.
            retry_after: the seconds of the header ``Retry-After``; None omits the header.
            path: the path that fails.
            times: the number of failures.
        """
        if body is None:
            body = default_body(status, retry_after=retry_after, now_ms=epoch_ms(self._clock))
        answer = http_answer(
            status,
            body,
            content_type=HTML if is_page(body) else JSON,
            headers={} if retry_after is None else {"Retry-After": str(retry_after)},
        )
        self._rest.failures[path] = RestFailure(answer, times)

    def html(self, *, path: str | None = None, times: int | None = None) -> None:
        """Answer REST requests with 200 and a page of HTML."""
        self.rest_failure(200, MAINTENANCE_PAGE, path=path, times=times)

    def slow_rest(self, seconds: float, *, path: str | None = None) -> None:
        """Delay the answers to REST requests."""
        self._rest.delays[path] = seconds

    def clear_rest_failure(self) -> None:
        """Answer REST requests normally again, without delay."""
        self._rest.failures.clear()
        self._rest.delays.clear()

    # --- symbols ------------------------------------------------------------------------------

    def set_status(self, symbol: str, status: str = HALTED) -> None:
        """Change a symbol's status; its quotes stop unless it is TRADING."""
        self._listed.set_status(symbol, status)

    def remove_symbol(self, symbol: str) -> None:
        """Remove a symbol from the market."""
        self._listed.remove(symbol)

    def restore_symbol(self, symbol: str) -> None:
        """List a symbol again, with status TRADING."""
        self._listed.set_status(symbol, TRADING)

    def change_rules(self, symbol: str, **rules: Decimal) -> None:
        """Change a symbol's trading rules.

        The names of ``rules`` are the keys of ``listed_symbols.RULES``.
        """
        self._listed.change_rules(symbol, **rules)

    def reset_update_ids(self, to: int = 1, *, symbol: str | None = None) -> None:
        """Restart the update ids.

        The current quote gets the id ``to``, which depth shows immediately. Later frames have
        greater ids.
        """
        for one in [symbol] if symbol is not None else list(self._quotes):
            # Shifts add up, because the market itself keeps counting with its own ids.
            current = self._quotes[self._checked_symbol(one)]
            self._id_shifts[one] = self._id_shifts.get(one, 0) + to - current.update_id
            self._quotes[one] = self._data[one].quote = with_update_id(current, to)

    # --- all faults, and the state of the venue -----------------------------------------------

    def clear(self) -> None:
        """End all faults; update ids and the market's time stay."""
        self._subscribers.clear_faults()
        self.stall(on=False)
        self.swallow(on=False)
        self.refuse_connections(on=False)
        self.reset_handshakes(on=False)
        self.delay_handshakes(0)
        self.clear_rest_failure()
        self._listed.restore()

    def listeners(self, symbol: str) -> int:
        """Return the number of connections that subscribed to the quotes of a symbol."""
        return self._subscribers.count(symbol)

    def current_quote(self, symbol: str) -> VenueQuote:
        """Return the quote that depth shows now."""
        return self._quotes[symbol]

    def faults_on(self) -> dict[str, object]:
        """Return the active faults, ready for JSON."""
        frames = self._subscribers.faults
        connections = self._open_connections()
        state: dict[str, object] = {
            "stalled_connections": sum(one.is_stalled for one in connections),
            "swallowing_connections": sum(one.is_swallowing for one in connections),
            "refusing_with_status": self._refusing_status,
            "resetting_handshakes": self._is_resetting,
            "handshake_delay_seconds": self._handshake_delay_seconds,
            "muted": sorted(frames.muted),
            "changed_symbols": self._listed.changed,
            "rest_failures": {
                path or "*": one.answer.status_code for path, one in self._rest.failures.items()
            },
            "rest_delays": {path or "*": one for path, one in self._rest.delays.items() if one},
        }
        for name, countdown in (
            ("duplicating", frames.duplicating),
            ("reordering", frames.reordering),
            ("spoiling", frames.spoiling),
        ):
            state[name] = "for good" if countdown.left is None else countdown.left
        # A fault that is off has an empty or zero value here.
        return {name: value for name, value in state.items() if value}

    def state(self) -> dict[str, object]:
        """Return the active faults, the market, the limits and the observations, for JSON."""
        recent = list(self.observations.violations)[-VIOLATIONS_SHOWN_MAX:]
        return {
            "on": self.faults_on(),
            "market": self._market_state(),
            "limits": dataclasses.asdict(self._limits),
            "observations": self.observations.summary(),
            "violations": [
                {"kind": one.kind.value, "at": self._wall_time(one.at)} for one in recent
            ],
        }

    # --- for the venue and the methods above --------------------------------------------------

    def _wall_time(self, at: float) -> str:
        """Convert a time of the event loop, so that it can be found in the log of a client."""
        ago = self._clock.monotonic_ns() * _SECONDS_PER_NS - at
        return (self._clock.now() - timedelta(seconds=ago)).isoformat(timespec="milliseconds")

    def _publish(self, quote: VenueQuote) -> None:
        symbol = quote.symbol
        if shift := self._id_shifts.get(symbol):
            quote = with_update_id(quote, quote.update_id + shift)
        # A halted symbol keeps its last quote. It needs a first one, because depth must answer.
        if self._listed.is_silent(symbol) and symbol in self._quotes:
            return
        self._quotes[symbol] = quote
        self._subscribers.publish(quote)
        self._note_market_data(quote)

    def _note_market_data(self, quote: VenueQuote) -> None:
        """Derive the market data of a quote, and send its trades."""
        at_ms, data = epoch_ms(self._clock), self._data.get(quote.symbol)
        if data is None:
            listing = self._listed.original(quote.symbol)
            self._data[quote.symbol] = SymbolData(listing, quote, at_ms=at_ms)
        elif trades := data.apply(quote, at_ms=at_ms):
            self._market_data.send_trades(quote.symbol, trades)

    def _open_connections(self) -> list[VenueConnection]:
        return [connection for connection in self._peers if connection.is_open]

    async def _delay(self, connection: VenueConnection, seconds: float) -> None:
        """Wait until the time is over or the client disconnects."""
        if seconds > 0:
            await asyncio.wait([connection.connection_lost_waiter], timeout=seconds)
