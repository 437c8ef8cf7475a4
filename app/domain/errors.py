"""The errors that we raise on purpose, one branch per kind of cause.

::

    PapertapeError
    ├── CallerError                the caller's mistake; the same request fails again
    │   ├── MalformedRequestError      not JSON, or not an object
    │   ├── InvalidInputError          understood but refused, field by field
    │   │   ├── InvalidOrderError          an order
    │   │   └── InvalidQueryError          the parameters of a listing
    │   ├── UnauthorizedError          the key is missing or unknown
    │   ├── MissingScopeError          the key lacks the scope for the request
    │   ├── UnknownSymbolError         the venue does not list the symbol
    │   ├── OrderNotFoundError
    │   ├── OrderPrunedError           the finished order was deleted
    │   ├── ClientOrderIdTakenError    an order has this key already
    │   └── ClientOrderIdReusedError   an order with this key has other terms
    ├── UnavailableError           nothing was executed; the same request may pass later
    │   ├── RulesNotLoadedError
    │   ├── JournalUnavailableError
    │   ├── JournalBacklogError
    │   ├── DatabaseUnavailableError   a read, which executes nothing
    │   ├── TooManyOrdersError         open orders: in all, per owner, per symbol
    │   ├── RateLimitedError           the owner's requests arrive too fast
    │   └── OutcomeUnknownError        the exception: the order may have been executed
    ├── VenueError                 trouble at the venue; worth a retry
    │   ├── VenueUnreachableError      no answer, or an answer from something else
    │   ├── VenueThrottledError        the venue asked us to wait, and for how long
    │   └── SymbolNotTradingError      the symbol has another status than TRADING
    └── StartupError               the configuration prevents the start; one line says why

``code`` is the contract with clients, the text is not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from app.domain.order import OrderId, Symbol


class PapertapeError(Exception):
    """Any error that we raise on purpose."""

    code: ClassVar[str]


class CallerError(PapertapeError):
    """The caller's mistake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldProblem:
    """The problem of one input field, and how to correct it."""

    field: str
    code: str
    message: str


class MalformedRequestError(CallerError):
    """The body is not an unambiguous JSON object."""

    code = "malformed_json"


class InvalidInputError(CallerError):
    """The input was understood, but the named fields are refused."""

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        assert problems, "a refusal names its cause"
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{problem.field}: {problem.message}" for problem in problems))


class InvalidOrderError(InvalidInputError):
    """An order breaks the required form, or the venue's trading rules."""

    code = "invalid_order"


class InvalidQueryError(InvalidInputError):
    """The query parameters of a listing are invalid."""

    code = "invalid_query"


class UnauthorizedError(CallerError):
    """The service requires a key, and the request has none or an unknown one."""

    code = "unauthorized"

    def __init__(self) -> None:
        super().__init__("a valid key is needed; send it as Authorization: Bearer KEY")


class MissingScopeError(CallerError):
    """The key is valid, but lacks the scope for the request."""

    code = "missing_scope"

    def __init__(self, scope: str) -> None:
        self.scope = scope
        super().__init__(f"the key does not have the scope {scope}")


class UnknownSymbolError(CallerError):
    """The venue does not list the symbol."""

    code = "unknown_symbol"

    def __init__(self) -> None:
        super().__init__("the venue lists no such symbol")


class OrderNotFoundError(CallerError):
    """No order has this id, or the order belongs to another owner."""

    code = "order_not_found"

    def __init__(self, order_id: OrderId) -> None:
        self.order_id = order_id
        super().__init__("no order has this id")


class OrderPrunedError(CallerError):
    """The order finished long ago and was deleted. Only its key remains."""

    code = "order_pruned"

    def __init__(self, order_id: OrderId) -> None:
        self.order_id = order_id
        super().__init__(
            f"order {order_id} has this key; it was finished and has been deleted. "
            "A key can never be used for another order, so choose a new key"
        )


class ClientOrderIdTakenError(CallerError):
    """An order has this key already. The API decides whether it is the same order."""

    code = "client_order_id_taken"

    def __init__(self, order_id: OrderId) -> None:
        self.order_id = order_id
        super().__init__(f"order {order_id} has this key")


class ClientOrderIdReusedError(CallerError):
    """An order with this key has other terms than the request."""

    code = "idempotency_key_reused"

    def __init__(self, order_id: OrderId) -> None:
        self.order_id = order_id
        super().__init__(
            f"order {order_id} was placed with this key and asks for something else; "
            "send the same order again, or another key"
        )


class UnavailableError(PapertapeError):
    """The request fails now; the same request may pass after ``retry_after_seconds``."""

    def __init__(self, message: str, *, retry_after_seconds: int) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(message)


class RulesNotLoadedError(UnavailableError):
    """The trading rules were never loaded, neither from the venue nor from the stored copy."""

    code = "rules_not_loaded"

    def __init__(self) -> None:
        super().__init__(
            "the venue's trading rules have not been loaded yet, see /readyz for the cause; "
            "nothing was executed, and the service keeps trying to load them",
            retry_after_seconds=5,
        )


class JournalUnavailableError(UnavailableError):
    """The database refuses writes. The order was withdrawn and is never executed."""

    code = "journal_unavailable"

    def __init__(self) -> None:
        super().__init__(
            "the database does not take writes now; nothing was executed", retry_after_seconds=2
        )


class JournalBacklogError(UnavailableError):
    """Too many entries wait to be written, so the order was refused."""

    code = "journal_backlog"

    def __init__(self) -> None:
        super().__init__(
            "too many writes wait for the database; nothing was executed", retry_after_seconds=1
        )


class DatabaseUnavailableError(UnavailableError):
    """The database did not answer a read."""

    code = "database_unavailable"

    def __init__(self) -> None:
        super().__init__("the database does not answer now", retry_after_seconds=2)


class TooManyOrdersError(UnavailableError):
    """The limit on open orders is reached, so the order was refused.

    ``scope`` names the limit: the service, an owner or a symbol.
    """

    code = "too_many_open_orders"

    def __init__(self, open_orders_max: int, *, scope: str = "the service") -> None:
        self.open_orders_max = open_orders_max
        super().__init__(
            f"{scope} may have at most {open_orders_max} open orders; nothing was executed",
            retry_after_seconds=5,
        )


class RateLimitedError(UnavailableError):
    """The owner sends more requests a second than the service allows one owner."""

    code = "rate_limited"

    def __init__(self, requests_per_second_max: int) -> None:
        self.requests_per_second_max = requests_per_second_max
        super().__init__(
            f"more than {requests_per_second_max} requests a second; nothing was executed",
            retry_after_seconds=1,
        )


class OutcomeUnknownError(UnavailableError):
    """The database did not confirm in time that an order, or its cancel, was stored.

    ``order_id`` is None if the request was to cancel several orders.
    """

    code = "outcome_unknown"

    def __init__(self, order_id: OrderId | None, *, doing: str = "stored") -> None:
        self.order_id = order_id
        # The order may have been executed, so the text must not say that nothing was.
        whose = "the orders were" if order_id is None else f"order {order_id} was"
        super().__init__(
            f"the database did not say in time whether {whose} {doing}; "
            "look it up, or send the same request again with the same key",
            retry_after_seconds=5,
        )


class VenueError(PapertapeError):
    """Trouble at the venue; worth a retry."""


class VenueUnreachableError(VenueError):
    """The venue did not answer, or something else answered in its place."""

    code = "venue_unreachable"


class VenueThrottledError(VenueError):
    """The venue asked us to wait (HTTP 429 or 418 with Retry-After)."""

    code = "venue_throttled"

    def __init__(self, retry_after_seconds: float) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(f"the venue asked us to wait {retry_after_seconds:g} s")


class SymbolNotTradingError(VenueError):
    """The venue lists the symbol with another status than TRADING, so its book is frozen."""

    code = "symbol_not_trading"

    def __init__(self, symbol: Symbol) -> None:
        self.symbol = symbol
        super().__init__(f"{symbol} is not trading at the venue now")


class StartupError(PapertapeError):
    """The configuration prevents the start. The message is one line with the remedy."""

    code = "startup"
