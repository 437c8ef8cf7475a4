"""A machine that generates histories of orders, and compares the service with the model."""

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from dataclasses import replace
from decimal import Decimal
from enum import Enum, auto
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from app.api.orders.limit_order import QUOTE_WAIT_SECONDS
from app.auditing.audit import audit
from app.domain.events import StoredEvent  # noqa: TC001 - beside the other imports of the domain
from app.domain.order import NewOrder, OrderId, Owner, Side, TimeInForce
from app.domain.quote import Quote
from tests.fuzz.displayed_lots import DisplayedLots
from tests.fuzz.hand_driven_service import OWNERS, HandDrivenService, HandLoop
from tests.fuzz.order_model import ModelOrder, OrderModel
from tests.fuzz.stored_rows import StoredRows, read_rows, stored_form
from tests.support.builders import LTCBTC, make_quote
from tests.support.databases import place_migrated_sqlite, sqlite_url
from tests.support.hand_driven import HandClock

_Result = TypeVar("_Result")
Level = tuple[int, int]
OWNER = st.sampled_from(OWNERS)
PAUSES = st.sampled_from([1, 1, 4, 11, 70])
KEYS = st.sampled_from([None, None, "key-1", "key-2", "key-3"])
NUMBERS = st.integers(0, 1_000)
QUANTITIES = st.integers(1, 6)
TIMEOUTS_SECONDS = st.sampled_from([Decimal(3), Decimal(10), Decimal(40)])


class Disturbance(Enum):
    """Rare events of a service."""

    CANCEL_ALL = auto()
    INTERRUPT = auto()
    STOP = auto()
    CRASH = auto()
    CRASH_BEFORE_A_WRITE = auto()


@st.composite
def touches(draw: st.DrawFn) -> tuple[Level, Level]:
    """Draw bid and ask, which may be empty."""
    bid = draw(st.integers(98, 100))
    ask = draw(st.integers(bid + 1, 101))
    is_bid, is_ask = (draw(st.integers(0, 9)) > 0 for _ in range(2))
    return (
        (bid, draw(QUANTITIES)) if is_bid else (0, 0),
        (ask, draw(QUANTITIES)) if is_ask else (0, 0),
    )


@st.composite
def new_orders(draw: st.DrawFn) -> NewOrder:
    """Draw an order that the quotes are likely to fill, at least in part."""
    time_in_force = draw(st.sampled_from([TimeInForce.GTD, TimeInForce.GTD, *TimeInForce]))
    rests = time_in_force is TimeInForce.GTD
    side = draw(st.sampled_from(Side))
    patience = draw(st.integers(0, 4))
    return NewOrder(
        owner=draw(OWNER),
        client_order_id=draw(KEYS),
        symbol=LTCBTC,
        side=side,
        time_in_force=time_in_force,
        quantity=Decimal(draw(st.integers(1, 12))),
        limit_price=Decimal(102 - patience if side is Side.BUY else 97 + patience),
        timeout_seconds=draw(TIMEOUTS_SECONDS) if rests else QUOTE_WAIT_SECONDS,
    )


class OrderMachine(RuleBasedStateMachine):
    """Orders, quotes, time and restarts in any order; after each step, both sides must agree."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="papertape-machine-"))
        self.path = self.folder / "orders.db"
        place_migrated_sqlite(self.path)
        self.url = sqlite_url(self.path)
        self.clock = HandClock()
        self.runner = asyncio.Runner(loop_factory=lambda: HandLoop(self.clock))
        self.service = self._run(HandDrivenService.start(self.url, self.clock))
        self.model = OrderModel(now=self.clock.now(), now_ns=self.clock.monotonic_ns())
        self.lots = DisplayedLots()
        self.told: list[StoredEvent] = []
        self.last_quote = make_quote(1, bid=(0, 0), ask=(0, 0))
        self.ids_made = 0

    @rule(several=st.lists(new_orders(), min_size=1, max_size=3))
    def place(self, several: list[NewOrder]) -> None:
        """Place orders; an order with a used key creates no new one."""
        for new_order in several:
            self._place(new_order)

    @precondition(lambda self: self.model.keys)
    @rule(number=NUMBERS, is_changed=st.booleans())
    def retry(self, number: int, *, is_changed: bool) -> None:
        """Send an order with a used key again, equal or changed."""
        keyed = [self.model.orders[order_id] for order_id in self.model.keys.values()]
        new_order = keyed[number % len(keyed)].sent
        if is_changed:
            new_order = replace(new_order, quantity=new_order.quantity + 1)
        self._place(new_order)

    @rule(new_order=new_orders())
    def place_twice_at_once(self, new_order: NewOrder) -> None:
        """Send the same order with a new key twice at once."""
        new_order = replace(new_order, client_order_id=f"twice-{self.ids_made}")
        ids = self._new_id(), self._new_id()

        async def place_both() -> list[OrderId]:
            return await asyncio.gather(*(self.service.place(one, new_order) for one in ids))

        first, second = self._run(place_both())
        assert first == second, "one key, one order"
        self.model.place(first, new_order)

    @rule(touch=touches())
    def quote(self, touch: tuple[Level, Level]) -> None:
        """Push any quote."""
        self._quote(self._next_quote(touch))

    @rule(quantities=st.tuples(QUANTITIES, QUANTITIES))
    def quote_other_quantities(self, quantities: tuple[int, int]) -> None:
        """Push a quote with other quantities at the same prices."""
        bid_price, ask_price = int(self.last_quote.bid_price), int(self.last_quote.ask_price)
        touch = (bid_price or 98, quantities[0]), (ask_price or 101, quantities[1])
        self._quote(self._next_quote(touch))

    @rule()
    def quote_the_same(self) -> None:
        """Push the last quote again with a new update id."""
        self._quote(self._next_quote())

    @precondition(lambda self: self.lots.limits)
    @rule(is_seed=st.booleans())
    def repeat_the_last_update(self, *, is_seed: bool) -> None:
        """Deliver the last update again, as a frame or as a snapshot."""
        quote = replace(self.last_quote, received_ns=self.clock.monotonic_ns())
        self._run(self.service.seed(quote) if is_seed else self.service.push(quote))
        (self.model.seed if is_seed else self.model.quote)(quote)

    @precondition(lambda self: self.model.orders)
    @rule(number=NUMBERS)
    def cancel(self, number: int) -> None:
        """Cancel an open or closed order."""
        orders = list(self.model.orders.values())
        order = orders[number % len(orders)].order
        self._run(self.service.desk.cancel(order))
        self.model.cancel([order.order_id])

    @rule(seconds=PAUSES)
    def pass_time(self, seconds: int) -> None:
        """Advance the time."""
        self.clock.advance(seconds)
        self.model.pass_time(seconds)

    @rule(disturbance=st.sampled_from(Disturbance), owner=OWNER, seconds=PAUSES, touch=touches())
    def disturb(
        self, disturbance: Disturbance, owner: Owner, seconds: int, touch: tuple[Level, Level]
    ) -> None:
        """Cause a rare event; all of them are one rule, so that each stays rare."""
        match disturbance:
            case Disturbance.CANCEL_ALL:
                canceled = self._run(self.service.desk.cancel_all(owner, LTCBTC))
                assert canceled == self.model.open_order_ids(owner)
                self.model.cancel(canceled)
            case Disturbance.INTERRUPT:
                self.service.feed.interrupt()
                self.model.interrupt()
            case Disturbance.STOP:
                self._restart(is_clean=True, seconds=seconds)
            case Disturbance.CRASH:
                self._restart(is_clean=False, seconds=seconds)
            case Disturbance.CRASH_BEFORE_A_WRITE:
                self._restart(is_clean=False, seconds=0, lost=self._next_quote(touch))

    @invariant()
    def both_sides_agree(self) -> None:
        """Compare the stored rows and announced events with the model."""
        self._run(self._settle())
        stored = read_rows(self.path)
        assert stored.events == [stored_form(one) for one in self.told + self.service.told]
        assert self.service.is_following == self.model.is_following
        self._check_orders(stored, list(self.model.orders.values()))
        assert (stored.gate, stored.levels) == self.model.stored_ledger()
        self.lots.check(
            (order.owner, order.side, update_id, quantity)
            for order in (one.order for one in self.model.orders.values())
            for update_id, _price, quantity in stored.splits.get(order.order_id, [])
        )

    def teardown(self) -> None:
        """Stop, audit the database, and delete the files."""
        try:
            self._run(self.service.stop())
            report = self._run(audit(self.url))
            assert report.is_sound, report.findings
        finally:
            self.runner.close()
            shutil.rmtree(self.folder)

    def _run(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        return self.runner.run(work)

    def _new_id(self) -> OrderId:
        self.ids_made += 1
        return OrderId(f"00000000-0000-7000-8000-{self.ids_made:012d}")

    def _place(self, new_order: NewOrder) -> None:
        order_id = self._new_id()
        placed_id = self._run(self.service.place(order_id, new_order))
        earlier = self.model.order_with_key(new_order)
        assert placed_id == (earlier or order_id), "a key belongs to one order"
        if earlier is None:
            self.model.place(order_id, new_order)
            return
        stored = self._run(self.service.orders.find(new_order.owner, placed_id))
        assert stored is not None, "the order is stored"
        is_same = new_order == self.model.orders[earlier].sent
        assert stored.order.has_terms_of(new_order) == is_same

    def _next_quote(self, touch: tuple[Level, Level] | None = None) -> Quote:
        """Make the next quote; without ``touch`` prices and quantities stay the same."""
        now_ns, update_id = self.clock.monotonic_ns(), self.last_quote.update_id + 1
        if touch is None:
            quote = replace(self.last_quote, update_id=update_id, received_ns=now_ns)
        else:
            quote = make_quote(update_id, bid=touch[0], ask=touch[1], received_ns=now_ns)
        self.last_quote = quote
        self.lots.show(quote)
        return quote

    def _quote(self, quote: Quote) -> None:
        self._run(self.service.push(quote))
        self.model.quote(quote)

    def _restart(self, *, is_clean: bool, seconds: int, lost: Quote | None = None) -> None:
        service = self.service
        self._run(service.stop() if is_clean else service.crash(with_quote=lost))
        self._run(service.hear())
        self.told += service.told
        self.clock.advance(seconds)
        self.model.restart(is_clean=is_clean, seconds=seconds)
        self.service = self._run(HandDrivenService.start(self.url, self.clock))

    async def _settle(self) -> None:
        await self.service.settle()
        await self.service.hear()

    def _check_orders(self, stored: StoredRows, expected: list[ModelOrder]) -> None:
        assert set(stored.orders) == {one.order.order_id for one in expected}
        for one in expected:
            order_id = one.order.order_id
            assert stored.orders[order_id] == (one.status, one.reason, one.filled, one.cost)
            assert stored.splits.get(order_id, []) == one.splits
            events = [(event.status, event.filled_quantity) for event in stored.events_of(order_id)]
            assert events == one.events
            sequences = [event.sequence for event in stored.events_of(order_id)]
            assert sequences == list(range(1, len(one.events) + 1))
