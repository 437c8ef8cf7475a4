"""The errors we raise on purpose, one branch per kind of cause.

::

    PapertapeError
    ├── CallerError                the caller's mistake; the same request fails again
    │   ├── MalformedRequestError      not JSON, or not an object
    │   ├── InvalidInputError          understood but refused, field by field
    │   │   ├── InvalidOrderError          an order
    │   │   └── InvalidQueryError          the parameters of a listing
    │   ├── UnauthorizedError          no key, or nobody's
    │   ├── MissingScopeError          a key that is not good for this
    │   ├── UnknownSymbolError         the venue does not list it
    │   ├── OrderNotFoundError
    │   ├── OrderPrunedError           it was finished and is not kept any more
    │   ├── ClientOrderIdTakenError    the key belongs to an order already
    │   └── ClientOrderIdReusedError   and that is another order than this one
    ├── UnavailableError           nothing was executed; the same request may pass later
    │   ├── RulesNotLoadedError
    │   ├── JournalUnavailableError
    │   ├── JournalBacklogError
    │   ├── DatabaseUnavailableError   a read, which executes nothing
    │   ├── TooManyOrdersError         open ones: in all, of one owner, of one symbol
    │   ├── RateLimitedError           the owner's requests come too fast
    │   └── OutcomeUnknownError        the exception to "nothing was executed": it may be
    ├── VenueError                 the venue's trouble; worth a retry
    │   ├── VenueUnreachableError      no answer, or not one of the venue's
    │   └── VenueThrottledError        it asked us to wait, and for how long
    └── StartupError               the service cannot start as it is set up; one line says why

``code`` is the contract with clients, the text is not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from app.domain.order import OrderId


class PapertapeError(Exception):
    """Any error that we raise on purpose."""

    code: ClassVar[str]


class CallerError(PapertapeError):
    """The caller's mistake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldProblem:
    """What is wrong with one field of the input, and what to do about it."""

    field: str
    code: str
    message: str


class MalformedRequestError(CallerError):
    """The body is not a JSON object that can be read without guessing."""

    code = "malformed_json"


class InvalidInputError(CallerError):
    """Understood, but refused for the named fields."""

    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        assert problems, "a refusal names its cause"
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{problem.field}: {problem.message}" for problem in problems))


class InvalidOrderError(InvalidInputError):
    """An order that is not acceptable in form, or by the venue's trading rules."""

    code = "invalid_order"


class InvalidQueryError(InvalidInputError):
    """A listing's parameters that cannot be used."""

    code = "invalid_query"


class UnauthorizedError(CallerError):
    """The service asks for a key; there is none, or it is nobody's."""

    code = "unauthorized"

    def __init__(self) -> None:
        super().__init__("a valid key is needed; send it as Authorization: Bearer KEY")


class MissingScopeError(CallerError):
    """The key is valid, but not good for this."""

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
    """No order has this id, or it is somebody else's."""

    code = "order_not_found"

    def __init__(self, order_id: OrderId) -> None:
        self.order_id = order_id
        super().__init__("no order has this id")


class OrderPrunedError(CallerError):
    """The order was finished long ago, and only its key is still kept."""

    code = "order_pruned"

    def __init__(self, order_id: OrderId) -> None:
        self.order_id = order_id
        super().__init__(
            f"order {order_id} has this key; it was finished and is not kept any more. "
            "A key serves one order for ever, so choose another for a new one"
        )


class ClientOrderIdTakenError(CallerError):
    """The key belongs to an order already; whether to the same one is for the edge to say."""

    code = "client_order_id_taken"

    def __init__(self, order_id: OrderId) -> None:
        self.order_id = order_id
        super().__init__(f"order {order_id} has this key")


class ClientOrderIdReusedError(CallerError):
    """The key belongs to an order that asks for something else."""

    code = "idempotency_key_reused"

    def __init__(self, order_id: OrderId) -> None:
        self.order_id = order_id
        super().__init__(
            f"order {order_id} was placed with this key and asks for something else; "
            "send the same order again, or another key"
        )


class UnavailableError(PapertapeError):
    """Not now; the same request may pass after ``retry_after_seconds``."""

    def __init__(self, message: str, *, retry_after_seconds: int) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(message)


class RulesNotLoadedError(UnavailableError):
    """The venue's trading rules were never loaded, neither from it nor from the stored copy."""

    code = "rules_not_loaded"

    def __init__(self) -> None:
        super().__init__(
            "the venue's trading rules have not been loaded yet, see /readyz for the cause; "
            "nothing was executed, and loading is tried again by itself",
            retry_after_seconds=5,
        )


class JournalUnavailableError(UnavailableError):
    """The database does not take writes; the order was withdrawn and is never executed."""

    code = "journal_unavailable"

    def __init__(self) -> None:
        super().__init__(
            "the database does not take writes now; nothing was executed", retry_after_seconds=2
        )


class JournalBacklogError(UnavailableError):
    """More waits to be written than we allow; the order was not taken."""

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
    """As many open orders as are allowed; the order was not taken.

    ``scope`` says of what: the service, the owner or the symbol.
    """

    code = "too_many_open_orders"

    def __init__(self, open_orders_max: int, *, scope: str = "the service") -> None:
        self.open_orders_max = open_orders_max
        super().__init__(
            f"{scope} may have at most {open_orders_max} open orders; nothing was executed",
            retry_after_seconds=5,
        )


class RateLimitedError(UnavailableError):
    """The owner sends more requests than the service takes from one."""

    code = "rate_limited"

    def __init__(self, requests_per_second_max: int) -> None:
        self.requests_per_second_max = requests_per_second_max
        super().__init__(
            f"more than {requests_per_second_max} requests a second; nothing was executed",
            retry_after_seconds=1,
        )


class OutcomeUnknownError(UnavailableError):
    """The database did not say in time whether an order, or its cancel, was stored.

    ``order_id`` is None where several orders were to be canceled.
    """

    code = "outcome_unknown"

    def __init__(self, order_id: OrderId | None, *, doing: str = "stored") -> None:
        self.order_id = order_id
        whose = "the orders were" if order_id is None else f"order {order_id} was"
        super().__init__(
            f"the database did not say in time whether {whose} {doing}; "
            "look it up, or send the same request again with the same key",
            retry_after_seconds=5,
        )


class VenueError(PapertapeError):
    """The venue's trouble; worth a retry."""


class VenueUnreachableError(VenueError):
    """No answer, or one that is not the venue's."""

    code = "venue_unreachable"


class VenueThrottledError(VenueError):
    """The venue asked us to wait (HTTP 429 or 418 with Retry-After)."""

    code = "venue_throttled"

    def __init__(self, retry_after_seconds: float) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(f"the venue asked us to wait {retry_after_seconds:g} s")


class StartupError(PapertapeError):
    """The service cannot start as it is set up; the message is one line that says what to do."""

    code = "startup"
