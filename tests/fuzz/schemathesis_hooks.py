"""Hooks of schemathesis that make documented requests acceptable to the venue as well.

The document cannot describe the listed symbols, their filters and the issued cursors. Without the
hooks, every valid order would be refused for one of these, and the code behind would not run.
"""

import base64
import json
import random
import re
import zlib
from typing import Any

import schemathesis
from schemathesis.core.failures import AcceptedNegativeData

from app.api.cursors import Cursor
from app.domain.symbols import SYMBOL_CHARACTERS_MAX

KEY_CHARACTERS_MAX = 36
QUOTE = '"'
SIZES = ("0.5", 1, "3", 12.25, "40")
PRICES = ("0.0001", "0.0024", 0.0025, "0.0026", 0.01)
TIMEOUTS_SECONDS = (0.02, "0.05", 0.5)
PREFERENCES = ("respond-async", "wait=0", "wait=1", "respond-async, wait=1", "anything")

_CURSOR_KINDS = {
    "/orders": Cursor.ORDERS,
    "/order/{order_id}/splits": Cursor.SPLITS,
    "/order/{order_id}/events": Cursor.EVENTS,
}


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: dict[str, Any]) -> None:  # noqa: ANN401 - the signature of schemathesis
    """Change a request that should be accepted."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if case.operation.label == "POST /order/limit" and isinstance(case.body, dict):
        _make_acceptable(case)
    if not _was_issued((case.query or {}).get("cursor"), case.operation.path):
        del case.query["cursor"]


@schemathesis.hook
def filter_failure(_context: Any, failure: Any, case: Any, _response: Any) -> bool:  # noqa: ANN401 - as above
    """Drop false failures: schemathesis regards only Latin letters as letters (``L``)."""
    symbol = str((case.query or {}).get("symbol", ""))
    is_symbol = symbol.isalnum() and len(symbol) <= SYMBOL_CHARACTERS_MAX
    is_no_failure = is_symbol and not symbol.isascii()
    return not (isinstance(failure, AcceptedNegativeData) and is_no_failure)


def _make_acceptable(case: Any) -> None:  # noqa: ANN401 - a case of schemathesis has no public type
    """Replace values that the venue refuses; equal keys give equal orders."""
    body, headers = dict(case.body), case.headers
    key = body.get("client_order_id")
    if key is not None:
        # The header would have to be equal, and keys of refused requests must differ.
        headers.pop("Idempotency-Key", None)
        key = body["client_order_id"] = f"v{key}"[:KEY_CHARACTERS_MAX]
    elif "Idempotency-Key" in headers:
        sent = str(headers["Idempotency-Key"])
        key = f"v{sent.strip(QUOTE)}"[:KEY_CHARACTERS_MAX]
        headers["Idempotency-Key"] = f'"{key}"' if QUOTE in sent else key
    seed = json.dumps(body, sort_keys=True) if key is None else key
    chance = random.Random(zlib.crc32(seed.encode()))
    body["symbol"] = chance.choice(["LTCBTC", "ltcbtc"])
    body["order_size"] = chance.choice(SIZES)
    body["price"] = chance.choice(PRICES)
    body["side"] = chance.choice(["BUY", "SELL"])
    body["time_in_force"] = chance.choice(["GTD", "GTD", "IOC", "FOK"])
    body["timeout_seconds"] = chance.choice(TIMEOUTS_SECONDS)
    if body["time_in_force"] != "GTD" or chance.random() < 0.5:
        del body["timeout_seconds"]
    if chance.random() < 0.5:
        headers["Prefer"] = chance.choice(PREFERENCES)
    case.body = body


def _was_issued(cursor: object, path: str) -> bool:
    if cursor is None:
        return True
    try:
        plain = base64.urlsafe_b64decode(f"{cursor}==").decode("ascii")
    except ValueError:
        return False
    return re.fullmatch(_CURSOR_KINDS[path] + "[0-9]{1,18}", plain) is not None
