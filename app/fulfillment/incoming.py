"""An order on its way to its matcher."""

from typing import NamedTuple

from app.domain.order import OrderSnapshot


class Incoming(NamedTuple):
    """A durable order, and whether an earlier process held it, which met quotes unknown to us."""

    snapshot: OrderSnapshot
    were_open_before: bool
