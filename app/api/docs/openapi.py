"""The OpenAPI document, written from the table of operations and the models.

It is not FastAPI's: the routes read their input by hand, so FastAPI would know none of it, and it
drops the nulls of examples. Examples of errors are made by the code that answers them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema
from pydantic_core import CoreSchema

from app.api.orders import shapes
from app.api.problems import (
    PROBLEM_MEDIA_TYPE,
    NotReadyError,
    OrderClosedError,
    problem_document,
    problem_headers,
    refusal_of,
)
from app.api.service import state_shapes
from app.domain.access import Scope
from app.domain.errors import (
    ClientOrderIdReusedError,
    InvalidInputError,
    MissingScopeError,
    OrderPrunedError,
    PapertapeError,
    RateLimitedError,
    UnauthorizedError,
)

OPENAPI_VERSION: Final = "3.1.0"
_KEY: Final = "key"
_REF_TEMPLATE: Final = "#/components/schemas/{model}"
_HEADERS: Final = {
    "Allow": "Methods that the path takes.",
    "Idempotent-Replayed": "`true` if the order was there already.",
    "Link": 'Where the rest of the splits is: `rel="next"` (RFC 8288).',
    "Location": "Where the order can be read.",
    "Preference-Applied": "What of `Prefer` was granted (RFC 7240).",
    "Connection": "`close`: the service reads no more of this connection.",
    "Retry-After": "Seconds after which the same request may pass.",
    "WWW-Authenticate": "`Bearer`: how to send a key (RFC 6750).",
}

Json = dict[str, Any]
"""A part of the document; its form is OpenAPI's, not ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A named example of a body or an answer."""

    name: str
    summary: str
    value: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter: ``place`` is path, query or header."""

    name: str
    place: str
    description: str
    schema: Json
    example: object = None
    is_required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer that is no error; ``order_links`` are the operations that its order's id is for.

    One without a model is text of ``media_type``. Answers of one status have the same media type.
    """

    status: HTTPStatus
    description: str
    model: type[BaseModel] | None
    examples: Sequence[Example]
    media_type: str = "application/json"
    headers: Sequence[str] = ()
    order_links: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """A route as its caller sees it; ``errors`` holds an example of every error that it gives.

    One with a ``scope`` needs a key; what it answers to callers without one, or with one that is
    not good for it, or too often, is documented by itself.
    """

    operation_id: str
    method: str
    path: str
    tag: str
    summary: str
    description: str
    answers: Sequence[Answer]
    errors: Sequence[PapertapeError]
    scope: Scope | None = None
    tells_more_by_key: bool = False
    parameters: Sequence[Parameter] = ()
    body: type[BaseModel] | None = None
    body_description: str = ""
    body_examples: Sequence[Example] = ()


class _Schema(GenerateJsonSchema):
    """Without the titles that repeat a field's name."""

    def field_title_should_be_set(self, schema: CoreSchema) -> bool:  # noqa: ARG002 - pydantic names it
        return False


def build_document(
    operations: Sequence[Operation], *, info: Json, tags: Sequence[Json], asks_for_keys: bool
) -> Json:
    """Return the document of all operations."""
    paths: Json = {}
    for operation in operations:
        described = _operation(operation)
        described["security"] = _security(operation, asks_for_keys=asks_for_keys)
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    return {
        "openapi": OPENAPI_VERSION,
        "info": info,
        "tags": list(tags),
        "paths": paths,
        "components": {
            "schemas": _schemas(operations),
            "securitySchemes": {
                _KEY: {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A key that `papertape keys create` printed. Asked for where "
                    "the service is set up with `API_KEYS_FILE`.",
                }
            },
        },
    }


def problem_model(error: PapertapeError) -> type[BaseModel]:
    """Return the model of an error's problem document."""
    match error:
        case InvalidInputError():
            return shapes.InputProblem
        case NotReadyError():
            is_told_why = "missing" in error.readiness
            return state_shapes.NotReady if is_told_why else state_shapes.NotReadyAlone
        case ClientOrderIdReusedError() | OrderPrunedError():
            return shapes.OrderProblem
        case OrderClosedError():
            return shapes.ClosedOrderProblem
    return shapes.Problem


def _operation(operation: Operation) -> Json:
    document: Json = {
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
        "operationId": operation.operation_id,
    }
    if operation.scope is not None:
        document["description"] += (
            f"\n\nNeeds a key with the scope `{operation.scope}` where keys are asked for."
        )
    if operation.parameters:
        document["parameters"] = [_parameter(parameter) for parameter in operation.parameters]
    if operation.body is not None:
        media = {
            "schema": _reference(operation.body),
            "examples": _examples(operation.body_examples),
        }
        document["requestBody"] = {
            "required": True,
            "description": operation.body_description,
            "content": {"application/json": media},
        }
    document["responses"] = _responses(operation)
    return document


def _security(operation: Operation, *, asks_for_keys: bool) -> list[Json]:
    """Return which keys the route takes; an empty one stands for none."""
    if operation.scope is None:
        return [{}, {_KEY: []}] if operation.tells_more_by_key else []
    key: Json = {_KEY: [operation.scope]}
    return [key] if asks_for_keys else [{}, key]


def _all_errors(operation: Operation) -> list[PapertapeError]:
    """Return an example of every error that the route gives, those before its handler included."""
    if operation.scope is None:
        return [*operation.errors]
    return [
        UnauthorizedError(),
        MissingScopeError(operation.scope),
        RateLimitedError(10_000),
        *operation.errors,
    ]


def _parameter(parameter: Parameter) -> Json:
    document: Json = {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.place == "path" or parameter.is_required,
        "description": parameter.description,
        "schema": parameter.schema,
    }
    if parameter.example is not None:
        document["example"] = parameter.example
    return document


def _responses(operation: Operation) -> Json:
    responses: Json = {}
    for status in dict.fromkeys(answer.status for answer in operation.answers):
        answers = [answer for answer in operation.answers if answer.status == status]
        models = [answer.model for answer in answers if answer.model is not None]
        media = {
            "schema": _any_of(models) if models else {"type": "string"},
            "examples": _examples(example for answer in answers for example in answer.examples),
        }
        responses[str(int(status))] = {
            "description": answers[0].description,
            "headers": _headers(name for answer in answers for name in answer.headers),
            "content": {answers[0].media_type: media},
        }
        links = _order_links(name for answer in answers for name in answer.order_links)
        if links:
            responses[str(int(status))]["links"] = links
    by_status: dict[HTTPStatus, list[PapertapeError]] = {}
    for error in _all_errors(operation):
        by_status.setdefault(refusal_of(error).status, []).append(error)
    for status in sorted(by_status):
        responses[str(int(status))] = _problem_response(by_status[status])
    return responses


def _problem_response(errors: Sequence[PapertapeError]) -> Json:
    examples = [
        Example(
            name=f"{error.code}_{number}",
            summary=f"{error.code}: {error}",
            value=problem_document(error),
        )
        for number, error in enumerate(errors, start=1)
    ]
    titles = dict.fromkeys(f"{refusal_of(error).title} (`{error.code}`)" for error in errors)
    headers = {name: None for error in errors for name in problem_headers(error)}
    media = {
        "schema": _any_of(problem_model(error) for error in errors),
        "examples": _examples(examples),
    }
    return {
        "description": " · ".join(titles),
        "headers": _headers(headers),
        "content": {PROBLEM_MEDIA_TYPE: media},
    }


def _order_links(operation_ids: Iterable[str]) -> Json:
    return {
        operation_id: {
            "operationId": operation_id,
            "parameters": {"order_id": "$response.body#/order_id"},
        }
        for operation_id in operation_ids
    }


def _headers(names: Iterable[str]) -> Json:
    return {name: {"description": _HEADERS[name], "schema": {"type": "string"}} for name in names}


def _examples(examples: Iterable[Example]) -> Json:
    return {
        example.name: {"summary": example.summary, "value": example.value} for example in examples
    }


def _any_of(models: Iterable[type[BaseModel]]) -> Json:
    references = [_reference(model) for model in dict.fromkeys(models)]
    return references[0] if len(references) == 1 else {"anyOf": references}


def _reference(model: type[BaseModel]) -> Json:
    return {"$ref": _REF_TEMPLATE.format(model=model.__name__)}


def _schemas(operations: Iterable[Operation]) -> Json:
    models: dict[type[BaseModel], None] = {}
    for operation in operations:
        if operation.body is not None:
            models[operation.body] = None
        models |= {answer.model: None for answer in operation.answers if answer.model is not None}
        models |= {problem_model(error): None for error in _all_errors(operation)}
    return schemas_of(models)


def schemas_of(models: Iterable[type[BaseModel]]) -> Json:
    """Return the schemas of models and of what they refer to, below ``components/schemas``."""
    _, definitions = models_json_schema(
        [(model, "validation") for model in models],
        ref_template=_REF_TEMPLATE,
        schema_generator=_Schema,
    )
    schemas: Json = definitions["$defs"]
    return schemas
