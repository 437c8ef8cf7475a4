"""Receive the service's events over its WebSocket, and resume after a lost connection."""

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, TypedDict

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.client import process_exception
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.frames import CloseCode

from app.cli.client import answers as wire
from app.cli.client.client_errors import (
    RefusedError,
    ServiceUnreachableError,
    UnexpectedAnswerError,
    cause_of,
    refusal,
    shorten,
)
from app.cli.client.retries import Attempts, RetryPolicy
from app.cli.client.service_address import ServiceAddress
from app.cli.client.service_client import USER_AGENT

OPEN_SECONDS_MAX: Final = 10.0
CLOSE_SECONDS_MAX: Final = 1.0

_RESUME_AFTER = re.compile(r"resume after (\S+)")
_TEMPORARY_CODES: Final = frozenset(
    {CloseCode.INTERNAL_ERROR, CloseCode.SERVICE_RESTART, CloseCode.TRY_AGAIN_LATER}
)


class _Tagged(TypedDict):
    type: str


class _TemporaryError(Exception):
    """The stream is unavailable for now; the message says why."""


class StreamLostError(ServiceUnreachableError):
    """The stream could not be opened or resumed within the allowed attempts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """The events to receive: of these orders, of these symbols, or if both are empty of all."""

    order_ids: Sequence[str] = ()
    symbols: Sequence[str] = ()

    def message(self, after: str | None) -> str:
        """Return the message that requests the events after a position, or from now on."""
        message: dict[str, object] = {"type": "subscribe"}
        if self.order_ids:
            message["order_ids"] = list(self.order_ids)
        if self.symbols:
            message["symbols"] = list(self.symbols)
        if after is not None:
            message["after"] = after
        return msgspec.json.encode(message).decode()


class EventStream:
    """A subscription that survives lost connections.

    Args:
        address: The service.
        subscription: The events to receive.
        retries: How a lost connection is retried.
        after: The position to start after, or None for new events only.
        was_reached: The service answered before, so the first connection is retried too.
    """

    def __init__(
        self,
        address: ServiceAddress,
        subscription: Subscription,
        *,
        retries: RetryPolicy,
        after: str | None = None,
        was_reached: bool = False,
    ) -> None:
        self.position = after
        """The position of the last event that was yielded; a new connection resumes after it."""
        self._address = address
        self._subscription = subscription
        self._retries = retries
        self._attempts = Attempts(retries)
        self._was_reached = was_reached

    async def messages(self) -> AsyncGenerator[wire.Subscribed | wire.Event]:
        """Yield each subscription and its events, each event once, without an end.

        Raises:
            RefusedError: the service refuses this stream.
            StreamLostError: the connection failed too often in succession.
            UnexpectedAnswerError: the server is not a Papertape service.
        """
        while True:
            try:
                async with contextlib.aclosing(self._one_connection()) as messages:
                    async for message in messages:
                        if message["type"] == "event":
                            self._attempts.succeed()
                        yield message
                cause = "the connection was closed"
            except _TemporaryError as error:
                cause = str(error)
            except InvalidStatus as error:
                self._raise_if_permanent(error)
                cause = f"HTTP {error.response.status_code}"
            except ConnectionClosed as error:
                self._take_position(error)
                cause = str(error)
            except (OSError, WebSocketException) as error:
                cause = cause_of(error)
            pause_seconds = self._attempts.fail()
            # An address that never answered is probably wrong, so the command fails at once.
            if self._attempts.is_exhausted or not self._was_reached:
                raise StreamLostError(self._address.url, cause)
            lost = f"the event stream was lost ({cause})"
            self._retries.on_retry(self._attempts.message(lost, pause_seconds))
            await asyncio.sleep(pause_seconds)

    async def _one_connection(self) -> AsyncGenerator[wire.Subscribed | wire.Event]:
        async with connect(
            self._address.stream_url,
            additional_headers=self._address.headers,
            user_agent_header=USER_AGENT,
            # As for requests: only the options count, not the environment.
            proxy=None,
            open_timeout=OPEN_SECONDS_MAX,
            close_timeout=CLOSE_SECONDS_MAX,
        ) as connection:
            self._was_reached = True
            # The service may refuse and close before this is sent; its error is read below.
            with contextlib.suppress(ConnectionClosed):
                await connection.send(self._subscription.message(self.position))
            loop = asyncio.get_running_loop()
            steady_at = loop.time() + self._retries.steady_seconds
            try:
                async for text in connection:
                    message = self._read(text)
                    if message is None:
                        continue
                    if message["type"] == "error":
                        raise await self._failure(connection, message)
                    # The position of "subscribed" is the newest one, beyond the old events that
                    # follow now, so resuming after it would skip them.
                    if message["type"] == "event" or self.position is None:
                        self.position = message["position"]
                    yield message
            finally:
                # A long connection counts as a success, even if it carried no event.
                if loop.time() >= steady_at:
                    self._attempts.succeed()

    async def _failure(self, connection: ClientConnection, error: wire.StreamError) -> Exception:
        """Return the exception for an error; the close code says whether it is temporary."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS_MAX):
                await connection.wait_closed()
        refused = self._refusal(error)
        is_temporary = connection.close_code in _TEMPORARY_CODES
        return _TemporaryError(str(refused)) if is_temporary else refused

    def _refusal(self, problem: wire.Problem) -> RefusedError:
        return refusal(problem, has_key=self._address.key is not None)

    def _read(self, text: str | bytes) -> wire.Subscribed | wire.Event | wire.StreamError | None:
        try:
            match wire.read_shape(text, _Tagged)["type"]:
                case "event":
                    return wire.read_shape(text, wire.Event)
                case "subscribed":
                    return wire.read_shape(text, wire.Subscribed)
                case "error":
                    return wire.read_shape(text, wire.StreamError)
                case _:  # a message type of a newer service
                    return None
        except wire.UnexpectedShapeError as error:
            raise UnexpectedAnswerError(self._address.stream_url, shorten(str(error))) from None

    def _take_position(self, closed: ConnectionClosed) -> None:
        """Read the position to resume after; it counts events that the subscription leaves out."""
        if closed.rcvd is None:
            return
        # The service closes with 1008 for a fault of the client, which a retry would repeat.
        if closed.rcvd.code == CloseCode.POLICY_VIOLATION:
            raise RefusedError({"code": "policy_violation", "detail": closed.rcvd.reason})
        if resume := _RESUME_AFTER.fullmatch(closed.rcvd.reason):
            self.position = resume[1]

    def _raise_if_permanent(self, error: InvalidStatus) -> None:
        status = error.response.status_code
        # process_exception() returns None for a temporary refusal: 500, 502, 503 and 504.
        if status == HTTPStatus.TOO_MANY_REQUESTS or process_exception(error) is None:
            # Even a refusal proves that the address is right.
            self._was_reached = True
            return
        try:
            problem = wire.read_shape(bytes(error.response.body or b""), wire.Problem)
        except wire.UnexpectedShapeError:
            what = f"HTTP {status} instead of a WebSocket"
            raise UnexpectedAnswerError(self._address.stream_url, what) from None
        raise self._refusal(problem)
