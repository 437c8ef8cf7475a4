"""The OpenAPI document is well formed, complete and correct."""

import inspect
import re
from http import HTTPStatus
from typing import Any

import pytest
from fastapi import FastAPI
from httpx2 import AsyncClient
from pydantic import BaseModel

from app.api import problem_models
from app.api.application import ApiOptions, ApiServices, build_application
from app.api.orders import order_detail, order_models
from app.api.orders.limit_order import LimitOrder
from app.api.problems import REFUSALS
from app.api.service import readiness, symbol_models
from app.api.stream import event_models
from tests.support.json_documents import objects_in

Json = dict[str, Any]
MODELS = {
    name: model
    for module in (
        order_models,
        order_detail,
        problem_models,
        readiness,
        symbol_models,
        event_models,
    )
    for name, model in inspect.getmembers(module, inspect.isclass)
    if issubclass(model, BaseModel)
}
COMMON = {421, 500}
KEYED = {401, 403, 429} | COMMON
STATUSES = {
    "placeLimitOrder": {200, 202, 400, 408, 410, 413, 415, 422, 503} | KEYED,
    "showOrder": {200, 404, 422, 503} | KEYED,
    "listSplits": {200, 404, 422, 503} | KEYED,
    "listOrders": {200, 422, 503} | KEYED,
    "listEvents": {200, 404, 422, 503} | KEYED,
    "cancelOrder": {200, 404, 409, 422, 503} | KEYED,
    "cancelOrders": {200, 422, 503} | KEYED,
    "showSymbol": {200, 404, 422, 503} | KEYED,
    "healthz": {200, 500, 503},
    "readyz": {200, 500, 503},
    "metrics": {200, 503} | KEYED,
}


@pytest.fixture
def served(keyed_services: ApiServices, options: ApiOptions) -> Json:
    """Return the document of a service with keys."""
    return build_application(keyed_services, options).openapi()


def all_operations(served: Json) -> dict[str, Json]:
    """Return the operations by id."""
    return {
        operation["operationId"]: operation
        for path in served["paths"].values()
        for operation in path.values()
    }


async def test_served_document_is_the_built_one(client: AsyncClient, application: FastAPI) -> None:
    """``/openapi.json`` serves the generated document, here without keys."""
    response = await client.get("/openapi.json")

    assert response.headers["content-type"] == "application/json"
    assert response.json() == application.openapi()


def test_document_has_the_form_of_openapi_3_1(served: Json) -> None:
    """The document has the parts that client generators need, and explains the basics."""
    assert served["openapi"] == "3.1.0"
    assert {"title", "version", "description"} <= set(served["info"])
    assert len(all_operations(served)) == sum(len(path) for path in served["paths"].values())
    tags = {tag["name"] for tag in served["tags"]}
    for operation in all_operations(served).values():
        assert operation["summary"]
        assert operation["description"]
        assert all(response["description"] for response in operation["responses"].values())
    assert tags == {tag for one in all_operations(served).values() for tag in one["tags"]}
    for topic in ("**Side.**", "**Price test.**", "**Partial fills.**", "**Splits.**"):
        assert topic in served["info"]["description"]
    for path, item in served["paths"].items():
        for operation in item.values():
            named = {one["name"] for one in operation.get("parameters", []) if one["in"] == "path"}
            assert named == {part[1:-1] for part in path.split("/") if part.startswith("{")}


def test_every_reference_leads_somewhere(served: Json) -> None:
    """Every reference has a target, and every schema is used."""
    used = {part["$ref"] for part in objects_in(served) if "$ref" in part}
    assert set(served["components"]["securitySchemes"]) == {
        name
        for operation in all_operations(served).values()
        for key in operation["security"]
        for name in key
    }

    known = {f"#/components/schemas/{name}" for name in served["components"]["schemas"]}
    assert used == known


def test_every_status_that_a_route_can_give_is_documented(served: Json) -> None:
    """Each operation documents exactly its possible statuses."""
    documented = {
        name: {int(status) for status in operation["responses"]}
        for name, operation in all_operations(served).items()
    }

    assert documented == STATUSES


def test_every_code_of_an_error_is_documented_with_an_example(served: Json) -> None:
    """Every error code of a route has an example."""
    codes = {
        (int(status), example["value"]["code"])
        for operation in all_operations(served).values()
        for status, response in operation["responses"].items()
        if int(status) >= HTTPStatus.BAD_REQUEST
        for example in response["content"]["application/problem+json"]["examples"].values()
    }

    expected = {
        (refusal.status, error.code)
        for error, refusal in REFUSALS.items()
        if hasattr(error, "code")  # the others are base classes
    }
    assert codes == expected - {
        (400, "malformed_http"),
        (404, "not_found"),
        (405, "method_not_allowed"),
        (429, "too_many_websockets"),  # in the document of the WebSocket
        (431, "head_too_large"),
    }


def test_every_example_fits_its_schema(served: Json) -> None:
    """Every answer has an example, and every example matches its schema."""
    for operation in all_operations(served).values():
        for response in operation["responses"].values():
            for media in response["content"].values():
                assert media["examples"]
                if media["schema"] == {"type": "string"}:
                    assert all(one["value"] for one in media["examples"].values())
                    continue
                models = _models(media["schema"])
                fitting = [_fitting(models, one["value"]) for one in media["examples"].values()]
                assert set(fitting) == set(models)


def _models(schema: Json) -> list[type[BaseModel]]:
    references = schema.get("anyOf", [schema])
    return [MODELS[reference["$ref"].rpartition("/")[2]] for reference in references]


def _fitting(models: list[type[BaseModel]], value: Json) -> type[BaseModel]:
    """Return the model with exactly the example's members, in order."""
    (model,) = [model for model in models if list(model.model_fields) == list(value)]
    model.model_validate(value)
    return model


def test_every_field_has_meaning_and_the_request_has_examples(served: Json) -> None:
    """Every field has a description, and every field of the request has examples."""
    schemas = served["components"]["schemas"]
    for schema in schemas.values():
        assert schema["description"]
        for field in schema.get("properties", {}).values():
            assert "description" in field or "$ref" in field
            assert "examples" in field or _holds_objects(field)
    request = schemas["LimitOrder"]["properties"]
    assert set(request) == set(LimitOrder.model_fields)
    assert schemas["LimitOrder"]["required"] == ["symbol", "order_size", "price"]
    assert schemas["LimitOrder"]["additionalProperties"] is False
    assert all(field["description"] and field["examples"] for field in request.values())


def _holds_objects(field: Json) -> bool:
    """Return whether a field holds other schemas, whose fields have their own examples."""
    return any("$ref" in part for part in objects_in(field))


def test_each_operation_says_which_key_it_takes(served: Json) -> None:
    """The document names the key and the scopes of each operation."""
    keys = {name: one["security"] for name, one in all_operations(served).items()}

    assert keys == {
        "placeLimitOrder": [{"key": ["orders:write"]}],
        "showOrder": [{"key": ["orders:read"]}],
        "listSplits": [{"key": ["orders:read"]}],
        "listOrders": [{"key": ["orders:read"]}],
        "listEvents": [{"key": ["orders:read"]}],
        "cancelOrder": [{"key": ["orders:write"]}],
        "cancelOrders": [{"key": ["orders:write"]}],
        "showSymbol": [{"key": ["orders:read"]}],
        "healthz": [],
        "readyz": [{}, {"key": []}],
        "metrics": [{"key": ["metrics"]}],
    }
    assert served["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    for operation in all_operations(served).values():
        for key in operation["security"]:
            assert all(f"`{scope}`" in operation["description"] for scope in key.get("key", []))


def test_where_nobody_is_asked_for_a_key_it_can_be_left_out(application: FastAPI) -> None:
    """In open access, the document marks keys as optional."""
    open_document = application.openapi()

    for operation in all_operations(open_document).values():
        assert not operation["security"] or {} in operation["security"]


def test_documented_forms_are_those_that_are_read(served: Json) -> None:
    """The documented patterns and bounds are those that the service applies."""
    parameters = {
        one["name"]: one["schema"]["pattern"]
        for operation in all_operations(served).values()
        for one in operation.get("parameters", [])
        if "pattern" in one["schema"]
    }
    fields = served["components"]["schemas"]["LimitOrder"]["properties"]

    assert parameters["symbol"] == fields["symbol"]["pattern"] == r"^[\p{L}\p{N}]{1,20}$"
    assert parameters["client_order_id"] in str(fields["client_order_id"])
    assert re.fullmatch(parameters["Idempotency-Key"], '"my-order-1"')
    assert re.fullmatch(parameters["cursor"], "bzQy")
    assert fields["order_size"]["anyOf"][0]["not"] == {"pattern": "^[0.]+$"}
    assert fields["order_size"]["anyOf"][1]["exclusiveMaximum"] == 10**16
    assert fields["timeout_seconds"]["anyOf"][1]["maximum"] == 86_400


def test_an_accepted_order_links_to_what_can_be_done_with_it(served: Json) -> None:
    """An accepted order links to every operation that takes its id."""
    responses = served["paths"]["/order/limit"]["post"]["responses"]

    for status in ("200", "202"):
        assert set(responses[status]["links"]) == {
            name for name, one in all_operations(served).items() if _takes_an_order_id(one)
        }


def _takes_an_order_id(operation: Json) -> bool:
    return "order_id" in {one["name"] for one in operation.get("parameters", [])}


def test_documented_limits_are_those_set_up(served: Json) -> None:
    """The document shows the configured limit of a body, and the times of an order."""
    field = served["components"]["schemas"]["LimitOrder"]["properties"]["timeout_seconds"]

    assert "at most 16,384 bytes" in served["paths"]["/order/limit"]["post"]["description"]
    assert field["default"] == "0.05"
    assert "at most 86400" in field["description"]


async def test_documented_requests_are_accepted(client: AsyncClient, served: Json) -> None:
    """Every example request is accepted, and the first is the documented command."""
    media = served["paths"]["/order/limit"]["post"]["requestBody"]["content"]["application/json"]
    examples = [example["value"] for example in media["examples"].values()]

    answers = [
        await client.post("/order/limit", json=example | {"timeout_seconds": "0.01"})
        for example in examples
    ]

    assert examples[0] == {
        "symbol": "LTCBTC",
        "order_size": 1000,
        "price": 0.0001,
        "side": "SELL",
    }
    assert [answer.status_code for answer in answers] == [200] * len(examples)
