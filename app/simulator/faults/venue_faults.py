"""What can be made to go wrong at a venue, and its market's time.

Faults of a connection (``drop``, ``stall``, ``swallow`` ...) are those of the connections that are
open when they begin: a client that connects anew is served, as after a failure of one machine of
many. Faults of streams, REST and the listener are everybody's. ``clear`` ends them all.
"""

import asyncio
import contextlib
import dataclasses
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from app.domain.rules import TRADING
from app.ports import Clock
from app.simulator.market.market_protocols import Market
from app.simulator.market.playback import Playback, PlayTarget
from app.simulator.market.venue_quotes import EMPTY, VenueQuote, with_update_id
from app.simulator.venue.client_admission import Admission
from app.simulator.venue.client_connection import GOING_AWAY, VenueConnection
from app.simulator.venue.listed_symbols import ListedSymbols
from app.simulator.venue.listing import HALTED
from app.simulator.venue.observations import Observations
from app.simulator.venue.rest_api import RestApi, RestFailure
from app.simulator.venue.rest_bodies import MAINTENANCE_PAGE, default_body
from app.simulator.venue.subscribers import Streams
from app.simulator.venue.venue_limits import VenueLimits

if TYPE_CHECKING:
    from app.simulator.venue.listener import VenueListener

DELAY_SECONDS_MAX: Final = 600.0
"""How long an answer or a handshake may be held back."""

VIOLATIONS_SHOWN_MAX: Final = 100

_BAD_GATEWAY: Final = 502
_SECONDS_PER_NS: Final = 1e-9


class VenueFaults:
    """The faults of a venue and what they act upon; the venue itself serves it.

    Raises:
        ValueError: by every method, for a symbol that the market does not have, and for a number
            that makes no sense.
    """

    def __init__(self, market: Market, *, clock: Clock, limits: VenueLimits) -> None:
        self.observations = Observations()
        self._clock = clock
        self._limits = limits
        self._quotes: dict[str, VenueQuote] = {}
        self._id_shifts: dict[str, int] = {}
        self._listed = ListedSymbols(market.listings)
        self._streams = Streams(self.observations)
        self._admission = Admission(clock=clock, limits=limits, observations=self.observations)
        self._rest = RestApi(
            listed=self._listed,
            quotes=self._quotes,
            admission=self._admission,
            clock=clock,
            limits=limits,
        )
        self._peers: set[VenueConnection] = set()
        self._listener: VenueListener | None = None
        self._playback: Playback | None = None
        self._target: PlayTarget | None = None
        self._is_paused = False
        self._refusing_status: int | None = None
        self._is_resetting = False
        self._handshake_delay_seconds = 0.0

    # --- the market's time --------------------------------------------------------------------

    def pause(self) -> None:
        """Stop the market's time; before ``serve`` the market opens stopped."""
        self._is_paused = True
        if self._playback is not None:
            self._playback.pause()

    def resume(self) -> None:
        """Let the market's time go on where it stopped."""
        self._is_paused = False
        if self._playback is not None:
            self._playback.resume()

    def play_to(self, update_id: int, *, symbol: str | None = None) -> PlayTarget:
        """Let time go on up to and including a quote, and stop right there, before the next one.

        The id is the market's own, as in its tape. Without a symbol it is the first quote that has
        it. If the symbol has no such id, time stops before its first quote above; if that has been
        passed, at once. ``reached`` of what is returned is set then.
        """
        listed = [listing.symbol for listing in self._listed]
        if symbol is None and len(listed) == 1:
            symbol = listed[0]
        if symbol is not None:
            self._known(symbol)
        self._target = PlayTarget(symbol=symbol, update_id=update_id)
        self._is_paused = False
        if self._playback is not None:
            self._playback.play_to(self._target)
        return self._target

    async def play_and_wait(
        self, update_id: int, *, symbol: str | None = None, wait: float = 0.0
    ) -> dict[str, object]:
        """Play to an id and say whether it was reached within ``wait`` seconds."""
        target = self.play_to(update_id, symbol=symbol)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await target.reached.wait()
        return self._market_state()

    # --- connections --------------------------------------------------------------------------

    def drop_connections(self) -> None:
        """Cut every stream connection without a closing frame."""
        for connection in self._open_connections():
            connection.transport.abort()

    def close_connections(self, code: int, reason: str = "") -> None:
        """Close every stream connection with a closing frame."""
        for connection in self._open_connections():
            connection.cut(code, reason)

    def stall(self, on: bool = True) -> None:  # noqa: FBT001, FBT002 - the name says what is on
        """Send no frames on the connections of now, while pings, replies and depth go on."""
        for connection in self._open_connections():
            connection.is_stalled = on

    def swallow(self, on: bool = True) -> None:  # noqa: FBT001, FBT002 - as above
        """Leave the connections of now half open: nothing is sent or answered, not even a pong."""
        for connection in self._open_connections():
            connection.is_swallowing = on

    def announce_shutdown(self, close_after_seconds: float | None = None) -> None:
        """Send the event ``serverShutdown`` and close the connections of now some time later."""
        self._check_seconds(close_after_seconds or 0)
        notice = f'{{"e":"serverShutdown","E":{self._now_ms()}}}'
        combined = f'{{"stream":"!serverShutdown","data":{notice}}}'
        for connection in self._open_connections():
            connection.send_text(combined if connection.subscriptions.is_combined else notice)
            if close_after_seconds is not None:
                connection.loop.call_later(
                    close_after_seconds, connection.cut, GOING_AWAY, "server shutdown"
                )

    # --- the listener -----------------------------------------------------------------------------

    def vanish(self, seconds: float) -> None:
        """Cut every stream and refuse TCP connections for some time, as a machine that is gone."""
        self._check_seconds(seconds)
        if self._listener is not None:
            self._listener.shut(seconds)
        self.drop_connections()

    def refuse_connections(self, *, refused: bool = True, status: int = _BAD_GATEWAY) -> None:
        """Answer handshakes with a status from now on, or let clients in again."""
        self._refusing_status = status if refused else None

    def reset_handshakes(self, on: bool = True) -> None:  # noqa: FBT001, FBT002 - as above
        """Cut whoever wants to open a stream before a word is said."""
        self._is_resetting = on

    def delay_handshakes(self, seconds: float) -> None:
        """Hold back the answer to every handshake; 0 ends it."""
        self._check_seconds(seconds)
        self._handshake_delay_seconds = seconds

    # --- frames -------------------------------------------------------------------------------

    def mute(self, symbol: str) -> None:
        """Send no frames of ``symbol``, while its depth goes on: a stalled stream."""
        self._streams.faults.muted.add(self._known(symbol))

    def unmute(self, symbol: str) -> None:
        """Send frames of ``symbol`` again."""
        self._streams.faults.muted.discard(self._known(symbol))

    def duplicate(self, frames: int | None = None) -> None:
        """Send each of the next ``frames`` twice; None for good, 0 ends it."""
        self._streams.faults.duplicating.left = frames

    def reorder(self, frames: int | None = None) -> None:
        """Send each of the next ``frames`` behind the next one of its symbol, likewise."""
        self._streams.faults.reordering.left = frames

    def resend(self, symbol: str, frames: int = 10) -> int:
        """Send the last frames of a symbol once more, oldest first; returns how many."""
        return self._streams.resend(self._known(symbol), frames)

    def garbage(self, kind: str, *, symbol: str | None = None) -> int:
        """Send a spoiled frame now on the stream of a symbol, or of each; returns to how many."""
        symbols = [listing.symbol for listing in self._listed] if symbol is None else [symbol]
        quotes = [self._quotes[self._known(one)] for one in symbols]
        return sum(self._streams.send_garbage(kind, quote) for quote in quotes)

    def spoil(self, kind: str, *, symbol: str | None = None, frames: int | None = 1) -> None:
        """Spoil the next ``frames`` of a symbol, or of all; None for good, 0 ends it."""
        if symbol is not None:
            self._known(symbol)
        self._streams.faults.spoil(kind, symbol=symbol, frames=frames)

    def send_frame(self, symbol: str, data: str) -> int:
        """Send any text on the stream of ``symbol``; the venue itself takes no notice of it.

        Returns how many connections it went to.
        """
        return self._streams.send(symbol, data)

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
        """Answer REST requests with a failure, only those of ``path`` or the next ``times``.

        Without a body it says what the venue says with that status. ``retry_after`` is in seconds.
        """
        if body is None:
            body = default_body(status, retry_after=retry_after, now_ms=self._now_ms())
        self._rest.fail(
            RestFailure(status=status, body=body, retry_after=retry_after, path=path, times=times)
        )

    def html(self, *, path: str | None = None, times: int | None = None) -> None:
        """Answer REST requests with 200 and a page of HTML."""
        self.rest_failure(200, MAINTENANCE_PAGE, path=path, times=times)

    def slow_rest(self, seconds: float, *, path: str | None = None) -> None:
        """Hold back the answers to REST requests, only those of ``path``; 0 ends it."""
        self._check_seconds(seconds)
        self._rest.delays[path] = seconds

    def clear_rest_failure(self) -> None:
        """Answer REST requests properly again, and at once."""
        self._rest.failures.clear()
        self._rest.delays.clear()

    # --- symbols ------------------------------------------------------------------------------

    def set_status(self, symbol: str, status: str = HALTED) -> None:
        """Change the status in exchangeInfo; quotes stop unless it is ``TRADING``."""
        self._listed.set_status(symbol, status)

    def remove_symbol(self, symbol: str) -> None:
        """Delist a symbol: unknown to REST, its streams silent."""
        self._listed.remove(symbol)

    def restore_symbol(self, symbol: str) -> None:
        """List a symbol again, and let it trade."""
        self._listed.set_status(symbol, TRADING)

    def change_rules(self, symbol: str, **rules: Decimal | None) -> None:
        """Change trading rules in exchangeInfo; names are those of ``ListedSymbols``."""
        self._listed.change_rules(symbol, **rules)

    def reset_update_ids(self, to: int = 1, *, symbol: str | None = None) -> None:
        """Begin the update ids of a symbol, or of all, anew: its current quote gets the id ``to``.

        Depth tells so at once; the next frame has an id above.
        """
        for one in [symbol] if symbol is not None else list(self._quotes):
            current = self._quotes[self._known(one)]
            self._id_shifts[one] = self._id_shifts.get(one, 0) + to - current.update_id
            self._quotes[one] = with_update_id(current, to)

    # --- all of it ----------------------------------------------------------------------------

    def clear(self) -> None:
        """End every fault; the market's time goes on as it is, and ids stay where they are."""
        self._streams.clear_faults()
        self.stall(on=False)
        self.swallow(on=False)
        self.refuse_connections(refused=False)
        self.reset_handshakes(on=False)
        self.delay_handshakes(0)
        self.clear_rest_failure()
        self._listed.restore()

    def listeners(self, symbol: str) -> int:
        """Return how many connections listen to the quotes of a symbol."""
        return self._streams.listeners(symbol)

    def current_quote(self, symbol: str) -> VenueQuote:
        """Return what depth would show now."""
        return self._quotes[symbol]

    def faults_on(self) -> dict[str, object]:
        """Return what is on, for JSON."""
        frames = self._streams.faults
        connections = self._open_connections()
        state: dict[str, object] = {
            "stalled_connections": sum(one.is_stalled for one in connections),
            "swallowing_connections": sum(one.is_swallowing for one in connections),
            "refusing_with_status": self._refusing_status,
            "resetting_handshakes": self._is_resetting,
            "handshake_delay_seconds": self._handshake_delay_seconds,
            "muted": sorted(frames.muted),
            "changed_symbols": self._listed.changed,
            "rest_failures": {path or "*": one.status for path, one in self._rest.failures.items()},
            "rest_delays": {path or "*": one for path, one in self._rest.delays.items() if one},
        }
        for name, countdown in (
            ("duplicating", frames.duplicating),
            ("reordering", frames.reordering),
            ("spoiling", frames.spoiling),
        ):
            state[name] = "for good" if countdown.left is None else countdown.left
        return {name: value for name, value in state.items() if value}

    def state(self) -> dict[str, object]:
        """Return all there is to know, for JSON: faults, market, limits, what was observed."""
        recent = list(self.observations.violations)[-VIOLATIONS_SHOWN_MAX:]
        return {
            "on": self.faults_on(),
            "market": self._market_state(),
            "limits": dataclasses.asdict(self._limits),
            "observations": self.observations.summary(),
            "violations": [{"kind": one.kind.value, "at": self._instant(one.at)} for one in recent],
        }

    # --- inner workings -----------------------------------------------------------------------

    def _instant(self, at: float) -> str:
        """Return an instant of the event loop's time as others' logs tell it."""
        ago = self._clock.monotonic_ns() * _SECONDS_PER_NS - at
        return (self._clock.now() - timedelta(seconds=ago)).isoformat(timespec="milliseconds")

    def _publish(self, quote: VenueQuote) -> None:
        symbol = quote.symbol
        if shift := self._id_shifts.get(symbol):
            quote = with_update_id(quote, quote.update_id + shift)
        if self._listed.is_silent(symbol) and symbol in self._quotes:
            return
        self._quotes[symbol] = quote
        self._streams.publish(quote)

    def _market_state(self) -> dict[str, object]:
        playback = self._playback
        state = "playing"
        if playback is None or playback.is_paused:
            state = "paused"
        elif playback.is_over:
            state = "over"
        target = self._target
        return {
            "state": state,
            "play_to": None
            if target is None
            else {
                "symbol": target.symbol,
                "update_id": target.update_id,
                "is_reached": target.reached.is_set(),
            },
            "update_ids": {
                symbol: quote.update_id
                for symbol, quote in self._quotes.items()
                if {quote.bid_price, quote.ask_price} != {EMPTY}
            },
        }

    def _open_connections(self) -> list[VenueConnection]:
        return [connection for connection in self._peers if connection.is_open]

    def _known(self, symbol: str) -> str:
        if symbol not in self._quotes and self._listed.get(symbol) is None:
            raise ValueError(f"the market has no symbol {symbol[:40]!r}")
        return symbol

    @staticmethod
    def _check_seconds(seconds: float) -> None:
        if not 0 <= seconds <= DELAY_SECONDS_MAX:
            raise ValueError(f"seconds are 0 to {DELAY_SECONDS_MAX:g}, not {seconds:g}")

    def _now_ms(self) -> int:
        return int(self._clock.now().timestamp() * 1000)

    async def _hold_back(self, connection: VenueConnection, seconds: float) -> None:
        """Wait, but no longer than the client does."""
        if seconds > 0:
            await asyncio.wait([connection.connection_lost_waiter], timeout=seconds)
