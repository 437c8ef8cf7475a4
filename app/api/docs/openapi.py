"""Completes the OpenAPI document that FastAPI generates.

FastAPI cannot say the following, so it is added here:

- the introduction, ``description.md``, read when the document is asked for;
- the media type of an error: FastAPI documents every model of a route under the route's own type;
- examples: FastAPI drops every ``null`` from them, and they would be made at every start. The
  fields of an answer take their examples from the examples of whole answers;
- the model of the order's body, which FastAPI does not read (see ``place_order``);
- the limits as this service is set up, and that a key is optional in open access.
"""

from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any, Final

from app.api.dependencies import KEY_SCHEME
from app.api.docs.answer_examples import REQUEST_EXAMPLES, Json, answer_examples, problem_examples
from app.api.orders.limit_order import LimitOrder
from app.api.problem_models import CODES_EXTENSION
from app.api.problems import PROBLEM_MEDIA_TYPE, problem_document
from app.api.services import ApiOptions
from app.domain.amounts import format_amount

TAGS: Final[list[dict[str, Any]]] = [
    {"name": "Orders", "description": "Place an order, read it back, cancel it."},
    {"name": "Symbols", "description": "The venue's rules and its current quotes."},
    {"name": "Service", "description": "Probes and figures for monitoring."},
]
"""The groups of operations, in the order in which the page shows them."""

_REF_TEMPLATE: Final = "#/components/schemas/{model}"
_ERROR_STATUS_LEAST: Final = "400"
_OPTIONAL_KEY_OPERATION: Final = "readyz"


def complete_document(document: Json, options: ApiOptions, *, requires_keys: bool) -> Json:
    """Return the generated document with everything that FastAPI cannot say."""
    document["info"]["description"] = _introduction()
    document["tags"] = TAGS
    answers = answer_examples()
    for path in document["paths"].values():
        for operation in path.values():
            _complete_security(operation, requires_keys=requires_keys)
            _complete_responses(operation, answers)
    place = document["paths"]["/order/limit"]["post"]
    place["description"] += f"\n\nA body has at most {options.body_bytes_max:,} bytes."
    place["requestBody"]["content"]["application/json"]["examples"] = REQUEST_EXAMPLES
    schemas = document["components"]["schemas"]
    schemas["LimitOrder"] = _limit_order_schema(options)
    models = [schema["properties"] for schema in schemas.values() if "properties" in schema]
    fields_by_names = {tuple(fields): fields for fields in models}
    for example in _examples_in(document):
        _complete_fields(example, fields_by_names)
    return document


def _introduction() -> str:
    """Return the text of the file with each paragraph in one line: the page breaks every line."""
    text = files("app.api.docs").joinpath("description.md").read_text(encoding="utf-8")
    return "\n\n".join(paragraph.replace("\n", " ") for paragraph in text.strip().split("\n\n"))


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
            media["examples"] = _numbered("example", answers[operation_id, status].items())
            continue
        errors = [
            error
            for code in response[CODES_EXTENSION]
            for error in problem_examples(operation_id, code, _scopes_of(operation))
        ]
        documents = [(f"{error.code}: {error}", problem_document(error)) for error in errors]
        media["examples"] = _numbered("problem", documents)
        response["content"] = {PROBLEM_MEDIA_TYPE: media}


def _numbered(name: str, examples: Iterable[tuple[str, object]]) -> Json:
    return {
        f"{name}_{number}": {"summary": summary, "value": value}
        for number, (summary, value) in enumerate(examples, start=1)
    }


def _examples_in(document: Json) -> Iterable[object]:
    for path in document["paths"].values():
        for operation in path.values():
            for response in operation["responses"].values():
                for media in response["content"].values():
                    yield from (example["value"] for example in media["examples"].values())


def _complete_fields(value: object, fields_by_names: Mapping[tuple[str, ...], Json]) -> None:
    """Show each value of an example as the example of its field.

    Args:
        value: The example, or a part of it.
        fields_by_names: The fields of each schema by their names, which no two schemas share.
    """
    if isinstance(value, list):
        for part in value:
            _complete_fields(part, fields_by_names)
    elif isinstance(value, dict):
        fields = fields_by_names.get(tuple(value), {})
        for name, part in value.items():
            _complete_fields(part, fields_by_names)
            if name in fields and not _holds_models(part, fields_by_names):
                fields[name].setdefault("examples", [part])


def _holds_models(part: object, fields_by_names: Mapping[tuple[str, ...], Json]) -> bool:
    """Whether a value has fields with examples of their own, or is too empty to be an example."""
    if isinstance(part, list):
        return all(_holds_models(one, fields_by_names) for one in part)
    return part is None or (isinstance(part, dict) and tuple(part) in fields_by_names)


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
