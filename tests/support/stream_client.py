"""A client of ``/ws/orders`` that checks every message against the service's AsyncAPI document.

It checks its messages before it sends them, and received messages before the test gets them.
"""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import httpx2
import jsonschema  # type: ignore[import-untyped] # it ships no types
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from tests.support.connections import connect, http_client
from tests.support.waiting import WAIT_SECONDS_MAX

Json = dict[str, Any]

ASYNCAPI_PATH: Final = "/docs/asyncapi.json"
SMALL_BUFFER_BYTES: Final = 4_096


class Contract:
    """The messages of an AsyncAPI document."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document
        self.received = self._validators("receive")
        self.sent = self._validators("send")

    def check_client_message(self, message: object) -> None:
        """Fail unless a client may send it."""
        _check(message, self.received)

    def check_service_message(self, message: object) -> None:
        """Fail unless the service may send it."""
        _check(message, self.sent)

    def check_schemas(self) -> None:
        """Fail unless every schema is valid."""
        for schema in self.document["components"]["schemas"].values():
            jsonschema.Draft7Validator.check_schema(schema)

    def _validators(self, action: str) -> dict[str, jsonschema.Draft7Validator]:
        """Return a validator for each message of the service's actions, replies included."""
        names: set[str] = set()
        for operation in self.document["operations"].values():
            if operation["action"] == action:
                names |= {_last(one) for one in operation["messages"]}
            elif "reply" in operation:
                names |= {_last(one) for one in operation["reply"]["messages"]}
        return {name: self._validator(name) for name in names}

    def _validator(self, name: str) -> jsonschema.Draft7Validator:
        payload = self.document["components"]["messages"][name]["payload"]
        schema = {**payload, "components": self.document["components"]}
        return jsonschema.Draft7Validator(schema)


def _check(message: object, validators: Mapping[str, jsonschema.Draft7Validator]) -> None:
    """Fail unless the message matches exactly one of the schemas."""
    faults = {
        name: [error.message for error in validator.iter_errors(message)]
        for name, validator in validators.items()
    }
    fitting = [name for name, found in faults.items() if not found]
    assert len(fitting) == 1, (message, faults)


def _last(reference: Mapping[str, str]) -> str:
    return reference["$ref"].rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Closed:
    """How the service closed a connection."""

    code: int
    reason: str

    @property
    def resume_after(self) -> str:
        """The position in the reason."""
        before, _, position = self.reason.rpartition(" ")
        assert before == "resume after", self
        return position


class StreamClient:
    """One connection to ``/ws/orders``."""

    def __init__(self, connection: ClientConnection, contract: Contract) -> None:
        self.connection = connection
        self.contract = contract

    async def subscribe(self, **fields: object) -> str:
        """Subscribe; return the position in the answer."""
        await self.send({"type": "subscribe", **fields})
        answer = await self.receive()
        assert answer["type"] == "subscribed", answer
        return str(answer["position"])

    async def send(self, message: Json) -> None:
        """Send a message that a client may send."""
        self.contract.check_client_message(message)
        await self.connection.send(json.dumps(message))

    async def receive(self) -> Json:
        """Return the next message."""
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            return self.read(await self.connection.recv())

    def read(self, text: str | bytes) -> Json:
        """Return a received message, which the service must be allowed to send."""
        assert isinstance(text, str), "messages are text"
        message = json.loads(text)
        self.contract.check_service_message(message)
        assert isinstance(message, dict)
        return message

    async def event(self) -> Json:
        """Return the next message, which is an event."""
        message = await self.receive()
        assert message["type"] == "event", message
        return message

    async def events(self, number: int) -> list[Json]:
        """Return this number of events."""
        return [await self.event() for _ in range(number)]

    async def rest(self) -> tuple[list[Json], Closed]:
        """Return all messages until the service closes, and the close."""
        messages: list[Json] = []
        while True:
            try:
                messages.append(await self.receive())
            except ConnectionClosed:
                return messages, self._end()

    def _end(self) -> Closed:
        code, reason = self.connection.close_code, self.connection.close_reason
        assert code is not None, "the connection is closed"
        return Closed(code, reason or "")

    async def nothing_more(self) -> bool:
        """Return whether no message is left that the service has sent until now.

        A message that it sent before the answer to a ping arrives before that answer.
        """
        async with asyncio.timeout(WAIT_SECONDS_MAX):
            await (await self.connection.ping())
        try:
            async with asyncio.timeout(0):
                await self.connection.recv()
        except TimeoutError:
            return True
        return False


async def read_contract(url: str) -> Contract:
    """Return the contract that the service at ``url`` serves."""
    async with http_client(base_url=url) as client:
        answer = await client.get(ASYNCAPI_PATH)
    assert answer.status_code == httpx2.codes.OK
    return Contract(answer.json())


@contextlib.asynccontextmanager
async def open_stream(
    url: str,
    *,
    contract: Contract | None = None,
    headers: Mapping[str, str] | None = None,
    reads_slowly: bool = False,
) -> AsyncIterator[StreamClient]:
    """Connect to the order stream of the service at ``url``.

    The default ``contract`` is read from the service. With ``reads_slowly`` the client reads from
    the socket only the messages that the test requests.
    """
    contract = contract or await read_contract(url)
    address = url.replace("http", "ws", 1) + "/ws/orders"
    options: dict[str, Any] = {}
    if reads_slowly:
        options = {"max_queue": 1, "sock": _small_socket(url)}
    async with connect(
        address,
        additional_headers=headers,
        compression=None,
        close_timeout=1,
        **options,
    ) as connection:
        yield StreamClient(connection, contract)


def _small_socket(url: str) -> socket.socket:
    """Return a connected socket with a small receive buffer."""
    parts = httpx2.URL(url)
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
    small.connect((parts.host, parts.port))
    small.setblocking(False)  # noqa: FBT003 - the standard library takes it by position
    return small
