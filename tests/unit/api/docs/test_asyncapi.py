"""The AsyncAPI document is well formed, complete and correct."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from pydantic import BaseModel

from app.api.docs import examples
from app.api.docs.docs_page import read_asyncapi
from app.api.problems import TooManyStreamsError, error_message
from app.api.server.websocket_protocol import MESSAGE_BYTES_MAX
from app.api.stream import client_messages, event_sender, order_stream, stream_cursors
from app.api.stream.client_messages import (
    NAMED_MAX,
    POLICY_VIOLATION,
    SERVICE_RESTART,
    SUBSCRIBE_SECONDS_MAX,
    TRY_AGAIN_LATER,
    ClientMessage,
    Subscribe,
)
from app.api.stream.event_models import Event, EventSplit
from app.api.stream.order_stream import STREAM_PATH
from app.domain import errors
from app.domain.caller import Scope
from tests.support.in_process import client_of
from tests.support.json_documents import objects_in
from tests.support.stream_client import Contract

Json = dict[str, Any]
MODELS: tuple[type[BaseModel], ...] = (Event, EventSplit, *ClientMessage.__subclasses__())

STREAM_ERRORS: tuple[errors.PapertapeError, ...] = (
    stream_cursors.PositionBeyondHeadError(),
    stream_cursors.ForeignPositionError(),
    stream_cursors.PositionPrunedError(),
    stream_cursors.InvalidPositionError(),
    client_messages.InvalidMessageError(
        [errors.FieldProblem(field="type", code="required", message="is missing")]
    ),
    client_messages.BinaryMessageError(),
    errors.MalformedRequestError("the message is not JSON at line 1 column 12"),
    client_messages.AlreadySubscribedError(),
    client_messages.StreamSilenceError(),
    errors.UnauthorizedError(),
    errors.MissingScopeError(Scope.ORDERS_READ),
    errors.RateLimitedError(50),
    TooManyStreamsError(200, "of one owner"),
    errors.DatabaseUnavailableError(),
    errors.JournalUnavailableError(),
)
"""An example of every error that is sent in a message."""


@pytest.fixture
def served() -> Json:
    """Return the document."""
    return read_asyncapi()


def resolve(served: Json, reference: str) -> Any:  # noqa: ANN401 - any JSON value
    """Return the target of a reference."""
    part: Any = served
    for name in reference.removeprefix("#/").split("/"):
        part = part[name]
    return part


async def test_served_document_is_the_file_for_the_address_asked(
    client: AsyncClient, served: Json
) -> None:
    """``/docs/asyncapi.json`` adds the version and the address that the caller used."""
    answer = await client.get("/docs/asyncapi.json")

    assert answer.headers["content-type"] == "application/json"
    told = answer.json()
    server = told.pop("servers")["this"]
    assert (server["host"], server["protocol"]) == ("localhost:8080", "ws")
    assert told["info"].pop("version") == "0.1.0"
    del served["info"]["version"]
    assert told == served


@pytest.mark.parametrize(
    ("scheme", "caller", "headers", "protocol"),
    [
        ("https", "192.0.2.1", {}, "wss"),
        ("http", "127.0.0.1", {"X-Forwarded-Proto": "https"}, "wss"),
        ("http", "192.0.2.1", {"X-Forwarded-Proto": "https"}, "ws"),
    ],
)
async def test_server_with_tls_is_named_so(
    application: FastAPI, scheme: str, caller: str, headers: dict[str, str], protocol: str
) -> None:
    """The stream has the scheme of the request, or the scheme that a local proxy reports."""
    async with client_of(application, caller=caller) as client:
        answer = await client.get(f"{scheme}://localhost/docs/asyncapi.json", headers=headers)

    assert answer.json()["servers"]["this"]["protocol"] == protocol


def test_document_has_the_form_of_asyncapi_3(served: Json) -> None:
    """The document has the parts that client generators need."""
    assert served["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= set(served["info"])
    (channel,) = served["channels"].values()
    assert channel["address"] == STREAM_PATH
    for operation in served["operations"].values():
        assert operation["action"] in {"send", "receive"}
        assert resolve(served, operation["channel"]["$ref"]) is channel
        for message in operation["messages"] + operation.get("reply", {}).get("messages", []):
            assert message["$ref"].startswith("#/channels/orders/messages/")
    for message in served["components"]["messages"].values():
        assert message["summary"]
        assert message["examples"]


def test_every_reference_leads_somewhere_and_nothing_is_unused(served: Json) -> None:
    """Every reference has a target, and every message and schema is used."""
    used = {part["$ref"] for part in objects_in(served) if "$ref" in part}
    used.add("#/components/securitySchemes/key")  # of the server, which is added when it is served
    for reference in used:
        resolve(served, reference)

    known = {
        f"#/components/{kind}/{name}"
        for kind, parts in served["components"].items()
        for name in parts
    } | {f"#/channels/orders/messages/{name}" for name in served["channels"]["orders"]["messages"]}
    assert used == known | {"#/channels/orders"}


def test_every_message_is_sent_or_received_as_it_says(served: Json) -> None:
    """Each message belongs to an operation with the same direction."""
    contract = Contract(served)
    directions = {
        name: message["x-direction"] for name, message in served["components"]["messages"].items()
    }

    received = dict.fromkeys(contract.received, "client to service")
    assert received | dict.fromkeys(contract.sent, "service to client") == directions


def test_every_example_fits_its_schema(served: Json) -> None:
    """Every example matches the schema of its message only."""
    contract = Contract(served)
    for message in served["components"]["messages"].values():
        is_sent = message["x-direction"] == "service to client"
        check = contract.check_service_message if is_sent else contract.check_client_message
        for example in message["examples"]:
            check(example["payload"])
    contract.check_schemas()
    for schema in served["components"]["schemas"].values():
        assert schema["description"]
        for field in schema.get("properties", {}).values():
            assert "description" in field or "$ref" in field


@pytest.mark.parametrize(
    "message",
    [
        {"type": "subscribe", "symbol": "LTCBTC"},
        {"type": "subscribe", "symbols": []},
        {"type": "subscribe", "after": 1},
        {"type": "unsubscribe"},
        {},
    ],
)
def test_document_refuses_what_the_service_refuses(served: Json, message: Json) -> None:
    """The document refuses the messages that the service refuses."""
    with pytest.raises(AssertionError):
        Contract(served).check_client_message(message)
    with pytest.raises(client_messages.InvalidMessageError):
        Subscribe.model_validate(message)


def test_examples_are_messages_that_the_service_sends(served: Json) -> None:
    """The examples equal the messages that the code produces."""
    messages = served["components"]["messages"]
    events = [
        Event.of(stored, stream_id=examples.EXAMPLE_STREAM_ID).model_dump(mode="json")
        for stored in examples.events()
    ]

    assert [one["payload"] for one in messages["event"]["examples"]] == events
    assert [one["payload"] for one in messages["error"]["examples"]] == [
        error_message(error) for error in STREAM_ERRORS
    ]


def test_schemas_have_the_fields_of_the_models(served: Json) -> None:
    """Each schema has the fields of its model, in order, and each message of a client is there."""
    schemas = served["components"]["schemas"]
    for model in MODELS:
        schema = schemas[model.__name__]
        assert list(schema["properties"]) == list(model.model_fields)
        required = [name for name, field in model.model_fields.items() if field.is_required()]
        assert schema["required"] == required
        assert schema["additionalProperties"] is False
    assert schemas["Subscribe"]["properties"]["order_ids"]["maxItems"] == NAMED_MAX
    assert schemas["Subscribe"]["properties"]["symbols"]["maxItems"] == NAMED_MAX


def test_every_close_code_and_error_of_the_stream_is_documented(served: Json) -> None:
    """The document describes every close code and error."""
    channel = served["channels"]["orders"]
    described = channel["description"]

    closes = channel["x-close-codes"]
    codes = (POLICY_VIOLATION, SERVICE_RESTART, TRY_AGAIN_LATER)
    assert tuple(one["code"] for one in closes) == codes
    assert all(f"- {one['code']}" in described and one["meaning"] in described for one in closes)
    assert {error.code for error in _own_errors()} <= {error.code for error in STREAM_ERRORS}


def test_documented_limits_are_those_of_the_service(served: Json) -> None:
    """The text explains keys and resuming, and its numbers are the constants of the code."""
    described = served["channels"]["orders"]["description"]

    assert f"at most {MESSAGE_BYTES_MAX:,} bytes" in described
    assert f"within {SUBSCRIBE_SECONDS_MAX:g} seconds" in described
    for topic in ("Resume", "without gap or repeat", "Bearer", "open access"):
        assert topic in described


def _own_errors() -> Iterator[type[errors.PapertapeError]]:
    """Yield the errors that only the stream sends in messages."""
    for module in (stream_cursors, client_messages, event_sender, order_stream):
        for error in vars(module).values():
            if (
                isinstance(error, type)
                and issubclass(error, errors.PapertapeError)
                and error.__module__ == module.__name__
                and not issubclass(error, errors.UnavailableError)
                and error is not stream_cursors.PositionRefusedError
            ):
                yield error
