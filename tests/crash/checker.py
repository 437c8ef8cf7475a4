"""Compares the records of clients with the stored orders and events."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from tests.crash.clients import Json, Records

TERMINAL: Final = {"FILLED", "CANCELED", "EXPIRED"}
ORDER_FIELDS: Final = (
    "order_id",
    "client_order_id",
    "symbol",
    "side",
    "time_in_force",
    "order_size",
    "price",
    "accepted_at",
    "expires_at",
)
END_FIELDS: Final = ("status", "reason", "filled_quantity", "quote_quantity", "closed_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """All stored orders, and all events in order."""

    orders: list[Json]
    events: list[Json]


def complaints(records: Records, truth: Truth) -> list[str]:
    """Return every contradiction between the records and the stored orders and events."""
    by_id = {order["order_id"]: order for order in truth.orders}
    history: dict[str, list[Json]] = {}
    for event in truth.events:
        history.setdefault(event["order_id"], []).append(event)
    return [
        *_of_answers(_answers(records), by_id, history),
        *_of_keys(records, truth),
        *_of_cancels(records, by_id),
        *_of_events(records, truth),
        *_of_histories(by_id, history),
    ]


def _answers(records: Records) -> Iterator[Json]:
    for placement in records.placements:
        yield from placement.accepted
    yield from records.looks


def _of_answers(
    answers: Iterable[Json], by_id: dict[str, Json], history: dict[str, list[Json]]
) -> Iterator[str]:
    for told in answers:
        order_id = told["order_id"]
        stored = by_id.get(order_id)
        if stored is None:
            yield f"{order_id} was accepted and is not stored"
            continue
        fields = ORDER_FIELDS + (END_FIELDS if told["status"] in TERMINAL else ())
        for field in fields:
            if told[field] != stored[field]:
                yield f"{order_id}: {field} was {told[field]!r} and is {stored[field]!r}"
        splits = [_split(event) for event in history.get(order_id, []) if event["split"]]
        told_splits = [(one["update_id"], one["price"], one["quantity"]) for one in told["splits"]]
        if told_splits != splits[: len(told_splits)]:
            yield f"{order_id}: splits were {told_splits} and are {splits}"


def _split(event: Json) -> tuple[Any, ...]:
    split = event["split"]
    return split["update_id"], split["price"], split["quantity"]


def _of_keys(records: Records, truth: Truth) -> Iterator[str]:
    by_key: Counter[str] = Counter(order["client_order_id"] for order in truth.orders)
    for placement in records.placements:
        key = placement.body["client_order_id"]
        if by_key[key] > 1:
            yield f"{key} has {by_key[key]} orders"
        ids = {answer["order_id"] for answer in placement.accepted}
        if len(ids) > 1:
            yield f"{key} was answered with {ids}"
        if placement.is_certainly_refused and by_key[key]:
            yield f"{key} was refused for certain and is stored"
        for status, body in placement.answers:
            if status >= 500 and "code" not in body:
                yield f"{key} was answered {status} {body}"
            if body.get("code") == "internal_error":
                yield f"{key} met a mistake of the service"


def _of_cancels(records: Records, by_id: dict[str, Json]) -> Iterator[str]:
    for order_id, status, body in records.cancels:
        stored = by_id.get(order_id, {"status": "not stored"})
        if status == 200 and (body["status"], stored["status"]) != ("CANCELED", "CANCELED"):
            yield f"{order_id} was canceled and is {stored['status']}"
        if status == 409 and body["order"]["status"] != stored["status"]:
            yield f"{order_id} was {body['order']['status']} and is {stored['status']}"


def _of_events(records: Records, truth: Truth) -> Iterator[str]:
    """Yield complaints unless clients got each stored event once, in order and unchanged."""
    yield from (f"the stream refused to go on: {error}" for error in records.stream_errors)
    if records.events == truth.events:
        return
    heard = Counter(event["position"] for event in records.events)
    yield from (f"event {position} was told {n} times" for position, n in heard.items() if n > 1)
    stored = {event["position"]: event for event in truth.events}
    for event in records.events:
        if stored.get(event["position"]) != event:
            yield f"was told {event}, and stored is {stored.get(event['position'])}"
    missing = [position for position in stored if position not in heard]
    if missing:
        yield f"{len(missing)} events were never told"
    else:
        yield "events were told in another order"


def _of_histories(by_id: dict[str, Json], history: dict[str, list[Json]]) -> Iterator[str]:
    for order_id, order in by_id.items():
        events = history.get(order_id, [])
        if [event["sequence"] for event in events] != list(range(1, len(events) + 1)):
            yield f"{order_id} has the events {[event['sequence'] for event in events]}"
        ends = [event["status"] for event in events if event["status"] in TERMINAL]
        if ends != [order["status"]]:
            yield f"{order_id} is {order['status']} and ended {ends}"
        elif events[-1]["filled_quantity"] != order["filled_quantity"]:
            yield f"{order_id} has filled {order['filled_quantity']}, its last event another"
