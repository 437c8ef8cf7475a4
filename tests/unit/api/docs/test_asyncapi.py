"""The AsyncAPI document: sound, complete, and true."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from starlette.datastructures import URL

from app.api.docs.asyncapi import (
    CLOSE_CODES,
    STREAM_ERRORS,
    STREAM_PATH,
    document,
    server_of,
)
from app.api.stream import client_messages as stream_form
from app.api.stream import order_stream
from app.api.stream import stream_cursors as positions
from app.api.stream.stream_cursors import PositionRefusedError
from app.domain.errors import PapertapeError, UnavailableError
from tests.support.stream_client import Contract

Json = dict[str, Any]


@pytest.fixture
def served() -> Json:
    """Return the document."""
    return document(version="0.1.0")


def walk(part: object) -> Iterator[Json]:
    """Yield every object of the document."""
    if isinstance(part, dict):
        yield part
        for value in part.values():
            yield from walk(value)
    elif isinstance(part, list):
        for value in part:
            yield from walk(value)


def resolve(served: Json, reference: str) -> Any:  # noqa: ANN401 - whatever stands there
    """Return what a reference leads to."""
    part: Any = served
    for name in reference.removeprefix("#/").split("/"):
        part = part[name]
    return part


async def test_served_document_is_the_built_one_for_the_address_asked(
    client: httpx2.AsyncClient, served: Json
) -> None:
    """``/docs/asyncapi.json`` says where the stream is, as the caller sees it."""
    answer = await client.get("/docs/asyncapi.json")

    assert answer.headers["content-type"] == "application/json"
    server = server_of(URL("http://localhost:8080/docs/asyncapi.json"))
    assert answer.json() == served | {"servers": {"this": server}}
    assert (server["host"], server["protocol"]) == ("localhost:8080", "ws")
    assert server_of(URL("https://example.com/"))["protocol"] == "wss"


@pytest.mark.parametrize(("proxy", "protocol"), [("127.0.0.1", "wss"), ("192.0.2.1", "ws")])
async def test_a_proxy_on_this_machine_may_say_that_it_speaks_tls(
    application: FastAPI, proxy: str, protocol: str
) -> None:
    """Whoever else says so is not believed."""
    transport = httpx2.ASGITransport(app=application, client=(proxy, 1))
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        answer = await client.get("/docs/asyncapi.json", headers={"X-Forwarded-Proto": "https"})

    assert answer.json()["servers"]["this"]["protocol"] == protocol


def test_document_has_the_form_of_asyncapi_3(served: Json) -> None:
    """What a generator of clients relies on is there."""
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
    """No message or schema is missing, and none stands there for nothing."""
    served["servers"] = {"this": server_of(URL("http://localhost/"))}
    used = {part["$ref"] for part in walk(served) if "$ref" in part}
    for reference in used:
        resolve(served, reference)

    known = {
        f"#/components/{kind}/{name}"
        for kind, parts in served["components"].items()
        for name in parts
    } | {f"#/channels/orders/messages/{name}" for name in served["channels"]["orders"]["messages"]}
    assert used == known | {"#/channels/orders"}


def test_every_message_is_sent_or_received_as_it_says(served: Json) -> None:
    """Each message belongs to an operation, and the directions agree."""
    contract = Contract(served)
    directions = {
        name: message["x-direction"] for name, message in served["components"]["messages"].items()
    }

    received = dict.fromkeys(contract.received, "client to service")
    assert received | dict.fromkeys(contract.sent, "service to client") == directions


def test_every_example_fits_its_schema(served: Json) -> None:
    """An example can be relied upon, and no message is taken for another."""
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
    """A client that keeps to the document is not refused by surprise."""
    with pytest.raises(AssertionError):
        Contract(served).check_client_message(message)
    with pytest.raises(stream_form.InvalidMessageError):
        stream_form.read_subscribe(message)


def test_every_close_code_and_error_of_the_stream_is_documented(served: Json) -> None:
    """A client can read about each end before it meets it."""
    channel = served["channels"]["orders"]
    described = channel["description"]

    codes = {one.code for one in CLOSE_CODES}
    assert codes == {1008, 1012, 1013}
    assert {one["code"] for one in channel["x-close-codes"]} == codes
    assert all(f"- {one.code}" in described and one.meaning in described for one in CLOSE_CODES)
    told = {error.code for error in STREAM_ERRORS}
    own = {error.code for error in _own_errors()}
    assert own <= told
    examples = served["components"]["messages"]["error"]["examples"]
    assert {one["payload"]["code"] for one in examples} == told


def _own_errors() -> Iterator[type[PapertapeError]]:
    """Yield the errors that only the stream tells; being too many is told by HTTP."""
    for module in (positions, stream_form, order_stream):
        for error in vars(module).values():
            if (
                isinstance(error, type)
                and issubclass(error, PapertapeError)
                and error.__module__ == module.__name__
                and not issubclass(error, UnavailableError)
                and error is not PositionRefusedError
            ):
                yield error


@pytest.mark.parametrize("word", ["Resume", "without gap or repeat", "Bearer", "open access"])
def test_channel_explains_what_a_newcomer_asks(served: Json, word: str) -> None:
    """Keys and resuming are explained in words."""
    assert word in served["channels"]["orders"]["description"]
