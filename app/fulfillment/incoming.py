"""An order on its way to its matcher."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from app.domain.matcher import SymbolMatcher
from app.domain.order import MICROSECOND, OrderSnapshot
from app.domain.resting import Step
from app.ports import Clock

_NS_PER_MICROSECOND: Final = 1_000


class Incoming(NamedTuple):
    """A durable order, and whether an earlier process held it, which met quotes unknown to us."""

    snapshot: OrderSnapshot
    were_open_before: bool


def rest_all(matcher: SymbolMatcher, arrivals: Iterable[Incoming], clock: Clock) -> list[Step]:
    """Give orders to their matcher, and return what came of it at once."""
    now, now_ns = clock.now(), clock.monotonic_ns()
    steps: list[Step] = []
    for snapshot, were_open_before in arrivals:
        order = snapshot.order
        if were_open_before and not order.rests:
            # The first quote after its acceptance, which decides it, was met by nobody.
            steps.append(matcher.end_unmet(snapshot))
            continue
        left = (order.expires_at - now) // MICROSECOND
        steps += matcher.rest(
            order,
            deadline_ns=now_ns + left * _NS_PER_MICROSECOND,
            filled_quantity=snapshot.filled_quantity,
            quote_quantity=snapshot.quote_quantity,
            splits_total=snapshot.splits_total,
            arrival=snapshot.arrival,
            quotes_seen=snapshot.quotes_seen,
            may_have_met_quotes=were_open_before,
            now_ns=now_ns,
        )
    return steps
