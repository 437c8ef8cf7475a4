"""Completes the OpenAPI document that FastAPI generates.

FastAPI cannot say the following, so it is added here:

- the media type of an error: FastAPI documents every model of a route under the route's own type;
- examples: FastAPI drops every ``null`` from them, and they would be made at every start;
- the model of the order's body, which FastAPI does not read (see ``place_order``);
- the limits as this service is set up, and that a key is optional in open access.
"""

from typing import Any, Final

from app.api.dependencies import KEY_SCHEME
from app.api.docs.answer_examples import (
    REQUEST_EXAMPLES,
    Json,
    answer_examples,
    problem_examples,
)
from app.api.orders.limit_order import LimitOrder
from app.api.problem_models import CODES_EXTENSION
from app.api.problems import PROBLEM_MEDIA_TYPE, problem_document
from app.api.services import ApiOptions
from app.domain.amounts import format_amount

_REF_TEMPLATE: Final = "#/components/schemas/{model}"
_ERROR_STATUS_LEAST: Final = "400"
_OPTIONAL_KEY_OPERATION: Final = "readyz"


def complete_document(document: Json, options: ApiOptions, *, requires_keys: bool) -> Json:
    """Return the generated document with everything that FastAPI cannot say."""
    answers = answer_examples()
    for path in document["paths"].values():
        for operation in path.values():
            _complete_security(operation, requires_keys=requires_keys)
            _complete_responses(operation, answers)
    place = document["paths"]["/order/limit"]["post"]
    place["description"] += f"\n\nA body has at most {options.body_bytes_max:,} bytes."
    place["requestBody"]["content"]["application/json"]["examples"] = REQUEST_EXAMPLES
    document["components"]["schemas"]["LimitOrder"] = _limit_order_schema(options)
    return document


def _complete_security(operation: Json, *, requires_keys: bool) -> None:
    keys: list[Json] = operation.setdefault("security", [])
    scopes = _scopes_of(operation)
    if scopes:
        names = ", ".join(f"`{scope}`" for scope in scopes)
        operation["description"] += f"\n\nWhere keys are needed, the key needs the scope {names}."
    if keys and (not requires_keys or operation["operationId"] == _OPTIONAL_KEY_OPERATION):
        keys.insert(0, {})


def _scopes_of(operation: Json) -> list[str]:
    return [scope for key in operation["security"] for scope in key.get(KEY_SCHEME, ())]


def _complete_responses(operation: Json, answers: dict[tuple[str, str], Json]) -> None:
    operation_id = operation["operationId"]
    for status, response in operation["responses"].items():
        (media,) = response["content"].values()
        if status < _ERROR_STATUS_LEAST:
            media["examples"] = answers[operation_id, status]
            continue
        errors = [
            error
            for code in response[CODES_EXTENSION]
            for error in problem_examples(operation_id, code, _scopes_of(operation))
        ]
        media["examples"] = {
            f"{error.code}_{number}": {
                "summary": f"{error.code}: {error}",
                "value": problem_document(error),
            }
            for number, error in enumerate(errors, start=1)
        }
        response["content"] = {PROBLEM_MEDIA_TYPE: media}


def _limit_order_schema(options: ApiOptions) -> dict[str, Any]:
    """Return the schema of the body with the limits as they are set up."""
    schema = LimitOrder.model_json_schema(ref_template=_REF_TEMPLATE)
    del schema["$defs"]  # the models of answers have them too
    timeout = schema["properties"]["timeout_seconds"]
    for form in timeout["anyOf"]:
        if form["type"] == "number":
            form["maximum"] = float(options.timeout_seconds_max)
            del form["exclusiveMaximum"]
    timeout["default"] = format_amount(options.order_timeout_seconds)
    timeout["description"] += (
        f" Above 0, at most {format_amount(options.timeout_seconds_max)}; "
        f"{format_amount(options.order_timeout_seconds)} if left out."
    )
    return schema
