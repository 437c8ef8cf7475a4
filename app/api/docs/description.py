"""The words at the head of the OpenAPI document: what a newcomer asks first."""

from typing import Any, Final

DESCRIPTION: Final = """\
Papertape fulfills limit orders against Binance's live best bid and ask **without placing them**. \
Post an order; the answer comes when it is finished, with a record of how it was split.

**Side.** A `BUY` takes from the best ask, a `SELL` from the best bid.

**Price test.** `price` is a limit. A BUY fills while the best ask is at or below it, a SELL \
while the best bid is at or above it, always at the price displayed, which is never worse than \
the limit.

**Partial fills.** An order takes the quantity that the venue displays, and taken quantity \
stays taken: the same displayed quantity is never sold twice. The rest expires at \
`expires_at`; earlier fills stay on record. An unfulfilled order is not an error.

**Time in force.** `GTD` rests until its time is up, `IOC` takes the liquidity of the first quote, \
`FOK` takes all or nothing from that quote. `DELETE` cancels a resting order.

**Once, and without waiting.** `Prefer: respond-async` answers as soon as the order is durable. An \
order with a `client_order_id`, or the header `Idempotency-Key`, is placed once, however often it \
is sent.

**Splits.** Each quote that fills a part of an order is one entry of `splits`. An order larger \
than the displayed quantity needs several quotes, hence several splits; they sum exactly to \
`filled_quantity`.

Amounts are strings in plain decimal notation. Errors are `application/problem+json` (RFC 9457): \
rely on `code`, not on texts. A path that is not listed here answers 404, a method that is not \
listed 405 with `Allow`, data that is not an HTTP/1.1 request 400 `malformed_http`, a request \
head of more than 16 KiB 431 `head_too_large`.

**Keys.** Where the service is set up with `API_KEYS_FILE`, every route but the probes and this \
page needs a key, sent as `Authorization: Bearer KEY` (**Authorize** on this page). Each route \
names the scope that the key must have. Orders belong to the key's owner: other owners' orders are \
not found. Otherwise no key is needed, and all clients share their orders.

**Events.** The WebSocket `/ws/orders` sends every transition of your orders once it is durable, \
and resumes after the last event that you received. \
[/docs/asyncapi.json](/docs/asyncapi.json) is its contract, an AsyncAPI 3 document."""

TAGS: Final[list[dict[str, Any]]] = [
    {"name": "Orders", "description": "Place an order, read it back, cancel it."},
    {"name": "Symbols", "description": "The venue's rules and its current quotes."},
    {"name": "Service", "description": "Probes and figures for monitoring."},
]
"""The groups of operations, in the order in which the page shows them."""
