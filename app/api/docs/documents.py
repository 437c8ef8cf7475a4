"""The OpenAPI document as it is served: with the limits as they are set up."""

from app.api.docs.openapi import Json, build_document
from app.api.docs.operations import DESCRIPTION, TAGS, operations
from app.api.services import ApiOptions
from app.domain.amounts import format_amount


def document(options: ApiOptions, *, asks_for_keys: bool) -> Json:
    """Return the OpenAPI document, with the limits and the access as they are set up."""
    built = build_document(
        operations(),
        info={
            "title": "Papertape",
            "version": options.version,
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0"},
        },
        tags=TAGS,
        asks_for_keys=asks_for_keys,
    )
    timeout = built["components"]["schemas"]["LimitOrderRequest"]["properties"]["timeout_seconds"]
    for form in timeout["anyOf"]:
        if form["type"] == "number":
            del form["exclusiveMaximum"]
            form["maximum"] = float(options.timeout_seconds_max)
    timeout["default"] = format_amount(options.order_timeout_seconds)
    timeout["description"] += (
        f" Above 0, at most {format_amount(options.timeout_seconds_max)}; "
        f"{format_amount(options.order_timeout_seconds)} if left out."
    )
    place = built["paths"]["/order/limit"]["post"]
    place["description"] += f" At most {options.body_bytes_max:,} bytes."
    return built
