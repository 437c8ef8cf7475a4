"""Who listens to which stream, and sending to them."""

from collections.abc import Iterable
from dataclasses import replace

from app.simulator.faults.frame_faults import FrameFaults
from app.simulator.faults.garbage import Message, garbage_kind, garbage_message
from app.simulator.market.venue_quotes import VenueQuote, stream_name
from app.simulator.venue.client_connection import VenueConnection
from app.simulator.venue.control_messages import Reply, answer
from app.simulator.venue.observations import Observations


class Streams:
    """The subscriptions of all connections, by stream.

    A connection's subscriptions take effect with the reply: no frame of a stream comes before it,
    and none after the reply to UNSUBSCRIBE.
    """

    def __init__(self, observations: Observations) -> None:
        self.faults = FrameFaults()
        self._observations = observations
        self._listeners: dict[str, set[VenueConnection]] = {}

    def join(self, connection: VenueConnection) -> None:
        """Begin to send what the connection subscribed to by its address."""
        self._listen(connection, connection.subscriptions.streams)

    def leave(self, connection: VenueConnection) -> None:
        """Forget a connection that is gone."""
        self._ignore(connection, connection.subscriptions.streams)

    def answer(self, connection: VenueConnection, message: str) -> Reply:
        """Apply a control message, return the reply; the caller sends it."""
        before = dict(connection.subscriptions.streams)
        reply = answer(message, connection.subscriptions)
        after = connection.subscriptions.streams
        self._listen(connection, [stream for stream in after if stream not in before])
        self._ignore(connection, [stream for stream in before if stream not in after])
        return reply

    def publish(self, quote: VenueQuote) -> None:
        """Send a quote to those who listen, with the faults that are on."""
        self.faults.remember(quote)
        if self.faults.is_idle:
            if self.send(quote.symbol, quote.data):
                self._observations.last_update_id_sent[quote.symbol] = quote.update_id
            return
        for frame in self.faults.frames_of(quote):
            if frame.garbage is not None:
                self._send_garbage(frame.garbage, frame.quote)
            elif self.send(frame.quote.symbol, frame.quote.data):
                self._observations.last_update_id_sent[quote.symbol] = frame.quote.update_id

    def send(self, symbol: str, data: str) -> int:
        """Send ``data`` as it stands on the stream of ``symbol``; return how many got it."""
        return self.send_on(stream_name(symbol), symbol, data)

    def send_on(self, stream: str, symbol: str, data: str) -> int:
        """Send ``data`` on another stream of ``symbol`` likewise."""
        listeners = self._hearing(stream)
        if not listeners:
            return 0
        raw = data.encode()
        combined = b'{"stream":"%b","data":%b}' % (stream.encode(), raw)
        for connection in listeners:
            connection.send_payload(combined if connection.subscriptions.is_combined else raw)
        self._observations.frames_sent[symbol] += len(listeners)
        return len(listeners)

    def listeners(self, symbol: str) -> int:
        """Return how many connections subscribed to the stream of a symbol."""
        return len(self._listeners.get(stream_name(symbol), ()))

    def send_garbage(self, kind: str, quote: VenueQuote) -> int:
        """Send a spoiled quote on its stream now; return how many got it.

        Its update id is the one after the quote's, so that a client which believes it is found out:
        it takes a wrong price, or passes over the next true quote. What is sound repeats the quote.

        Raises:
            ValueError: no such kind.
        """
        is_sound = garbage_kind(kind).is_sound
        return self._send_garbage(
            kind, quote if is_sound else replace(quote, update_id=quote.update_id + 1)
        )

    def resend(self, symbol: str, frames: int) -> int:
        """Send the last frames of a symbol once more, oldest first; return how many."""
        old = self.faults.recent(symbol, frames)
        for quote in old:
            self.send(symbol, quote.data)
        return len(old)

    def clear_faults(self) -> None:
        """Let frames pass as they are, those that were held back at once."""
        for quote in self.faults.clear():
            self.send(quote.symbol, quote.data)

    def _send_garbage(self, kind: str, quote: VenueQuote) -> int:
        stream = stream_name(quote.symbol)
        listeners = self._hearing(stream)
        messages: dict[bool, Message] = {}
        for connection in listeners:
            is_combined = connection.subscriptions.is_combined
            if is_combined not in messages:
                named = stream if is_combined else None
                messages[is_combined] = garbage_message(kind, quote, stream=named)
            message = messages[is_combined]
            connection.send_payload(message.payload, is_text=message.is_text)
        self._observations.frames_sent[quote.symbol] += len(listeners)
        return len(listeners)

    def _hearing(self, stream: str) -> list[VenueConnection]:
        listeners = self._listeners.get(stream, ())
        return [connection for connection in listeners if not connection.is_stalled]

    def _listen(self, connection: VenueConnection, streams: Iterable[str]) -> None:
        for stream in streams:
            self._listeners.setdefault(stream, set()).add(connection)

    def _ignore(self, connection: VenueConnection, streams: Iterable[str]) -> None:
        for stream in streams:
            listeners = self._listeners.get(stream, set())
            listeners.discard(connection)
            if not listeners:
                self._listeners.pop(stream, None)
