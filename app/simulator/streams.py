"""Who listens to which stream, and sending to them."""

from app.simulator.connection import VenueConnection
from app.simulator.control import Reply, answer
from app.simulator.observations import Observations
from app.simulator.quotes import VenueQuote, stream_name


class Streams:
    """The subscriptions of all connections, by stream.

    A connection's subscriptions take effect with the reply: no frame of a stream comes before it,
    and none after the reply to UNSUBSCRIBE.
    """

    def __init__(self, observations: Observations) -> None:
        self._observations = observations
        self._listeners: dict[str, set[VenueConnection]] = {}
        self._muted: set[str] = set()

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

    def mute(self, symbol: str) -> None:
        """Send no frames of a symbol, while its depth goes on."""
        self._muted.add(symbol)

    def unmute(self, symbol: str) -> None:
        """Send frames of a symbol again."""
        self._muted.discard(symbol)

    def publish(self, quote: VenueQuote) -> None:
        """Send a quote to those who listen, unless its symbol is muted."""
        if quote.symbol in self._muted:
            return
        if self.send(quote.symbol, quote.data):
            self._observations.last_update_id_sent[quote.symbol] = quote.update_id

    def send(self, symbol: str, data: str) -> int:
        """Send ``data`` as it stands on the stream of ``symbol``; return how many got it."""
        stream = stream_name(symbol)
        listeners = self._listeners.get(stream)
        if not listeners:
            return 0
        combined = f'{{"stream":"{stream}","data":{data}}}'
        for connection in listeners:
            connection.send_text(combined if connection.subscriptions.is_combined else data)
        self._observations.frames_sent[symbol] += len(listeners)
        return len(listeners)

    def _listen(self, connection: VenueConnection, streams: "list[str] | dict[str, None]") -> None:
        for stream in streams:
            self._listeners.setdefault(stream, set()).add(connection)

    def _ignore(self, connection: VenueConnection, streams: "list[str] | dict[str, None]") -> None:
        for stream in streams:
            listeners = self._listeners.get(stream, set())
            listeners.discard(connection)
            if not listeners:
                self._listeners.pop(stream, None)
