"""The subscribers of each stream, and sending frames to them."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from app.simulator.faults.frame_faults import FrameFaults
from app.simulator.faults.garbage import Message, garbage_kind, garbage_message
from app.simulator.market.venue_quotes import VenueQuote, stream_name
from app.simulator.market_data.stream_names import read_stream
from app.simulator.venue.client_connection import VenueConnection
from app.simulator.venue.control_messages import Reply, answer
from app.simulator.venue.observations import Observations


class Subscribers:
    """The connections that subscribed to each stream.

    A subscription takes effect with its reply. No frame of the stream precedes the reply to
    SUBSCRIBE, and no frame follows the reply to UNSUBSCRIBE.
    """

    def __init__(self, observations: Observations) -> None:
        self.faults = FrameFaults()
        self._observations = observations
        self._by_stream: dict[str, set[VenueConnection]] = {}

    def add(self, connection: VenueConnection) -> None:
        """Add a connection to the streams that its URL names."""
        self._subscribe(connection, connection.subscriptions.streams)

    def remove(self, connection: VenueConnection) -> None:
        """Remove a lost connection from all its streams."""
        self._unsubscribe(connection, connection.subscriptions.streams)

    def answer(self, connection: VenueConnection, message: str) -> Reply:
        """Apply a control message and return the reply, which the caller must send."""
        before = dict(connection.subscriptions.streams)
        reply = answer(message, connection.subscriptions)
        after = connection.subscriptions.streams
        self._subscribe(connection, [stream for stream in after if stream not in before])
        self._unsubscribe(connection, [stream for stream in before if stream not in after])
        return reply

    def publish(self, quote: VenueQuote) -> None:
        """Send a quote to its subscribers, changed by the active faults."""
        self.faults.remember(quote)
        # Most quotes meet no fault; this path saves the objects of the other one.
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
        """Send ``data`` unchanged on the stream of ``symbol``; return the number of receivers."""
        return self.send_on(stream_name(symbol), symbol, lambda _: data)

    def send_on(self, stream: str, symbol: str, make: Callable[[int], str]) -> int:
        """Send a frame on a stream of ``symbol``; return the number of receivers.

        ``make`` returns its text for a scale of times, see ``Subscriptions``.
        """
        receivers = self._receivers(stream)
        frames: dict[tuple[int, bool], bytes] = {}
        for connection in receivers:
            form = connection.subscriptions
            key = form.time_scale, form.is_combined
            if key not in frames:
                raw = make(form.time_scale).encode()
                # "Combined stream events are wrapped as follows:
                # {"stream":"<streamName>","data":<rawPayload>}"
                combined = b'{"stream":"%b","data":%b}'
                frames[key] = combined % (stream.encode(), raw) if form.is_combined else raw
            connection.send_payload(frames[key])
        if receivers:
            self._observations.frames_sent[symbol] += len(receivers)
        return len(receivers)

    def stream_names(self) -> list[str]:
        """Return the names of all streams that somebody subscribed to."""
        return list(self._by_stream)

    def count(self, symbol: str) -> int:
        """Return the number of connections that subscribed to the quotes of a symbol."""
        return len(self._by_stream.get(stream_name(symbol), ()))

    def send_garbage(self, kind: str, quote: VenueQuote) -> int:
        """Send a spoiled quote on its stream now; return the number of receivers.

        Its update id is one above the quote's. So a client that accepts the frame uses a wrong
        price, or ignores the next real quote, and its test fails. A sound kind keeps the id.

        Raises:
            ValueError: there is no such kind.
        """
        is_sound = garbage_kind(kind).is_sound
        return self._send_garbage(
            kind, quote if is_sound else replace(quote, update_id=quote.update_id + 1)
        )

    def resend(self, symbol: str, frames: int) -> int:
        """Send the last frames of a symbol again, oldest first; return their number."""
        old = self.faults.recent(symbol, frames)
        for quote in old:
            self.send(symbol, quote.data)
        return len(old)

    def clear_faults(self) -> None:
        """End all faults of frames, and send the frames that were held back."""
        for quote in self.faults.clear():
            self.send(quote.symbol, quote.data)

    def _send_garbage(self, kind: str, quote: VenueQuote) -> int:
        stream = stream_name(quote.symbol)
        receivers = self._receivers(stream)
        messages: dict[bool, Message] = {}
        for connection in receivers:
            is_combined = connection.subscriptions.is_combined
            # Some kinds are megabytes long, so each form is made once and only if it is needed.
            if is_combined not in messages:
                named = stream if is_combined else None
                messages[is_combined] = garbage_message(kind, quote, stream=named)
            message = messages[is_combined]
            connection.send_payload(message.payload, is_text=message.is_text)
        self._observations.frames_sent[quote.symbol] += len(receivers)
        return len(receivers)

    def _receivers(self, stream: str) -> list[VenueConnection]:
        subscribers = self._by_stream.get(stream, ())
        return [connection for connection in subscribers if not connection.is_stalled]

    def _subscribe(self, connection: VenueConnection, streams: Iterable[str]) -> None:
        for stream in streams:
            if read_stream(stream) is None:
                self._observations.note_unserved(stream)
            self._by_stream.setdefault(stream, set()).add(connection)

    def _unsubscribe(self, connection: VenueConnection, streams: Iterable[str]) -> None:
        for stream in streams:
            subscribers = self._by_stream.get(stream, set())
            subscribers.discard(connection)
            # Clients may name any number of streams; empty sets would stay in memory.
            if not subscribers:
                self._by_stream.pop(stream, None)
