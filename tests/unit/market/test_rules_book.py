"""Tests of ``VenueRulesBook``."""

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial

import pytest
from structlog.testing import capture_logs

from app.domain.errors import (
    RulesNotLoadedError,
    VenueError,
    VenueThrottledError,
    VenueUnreachableError,
)
from app.domain.order import Symbol
from app.domain.rules import TradingRules
from app.market.exchange_info import ParsedExchangeInfo
from app.market.rules_book import NOT_TRADING, RulesTiming, VenueRulesBook
from app.ports import Clock, StoredRules
from tests.support.builders import ACCEPTED_AT
from tests.support.hand_driven import HandClock
from tests.support.market import LTCBTC
from tests.support.virtual_time import clock_of_loop
from tests.support.waiting import eventually

QUICK = RulesTiming(refresh_seconds=0.02, retry_seconds_first=0.01, retry_seconds_max=0.02)
HOURLY = RulesTiming(retry_seconds_first=0.01)

SKIPPED = 3
DOWN = VenueUnreachableError("no route to the venue")

Answer = tuple[TradingRules, ...] | VenueError


def rules(symbol: str = "LTCBTC", status: str = "TRADING") -> tuple[TradingRules, ...]:
    """Make the rules of a venue with one symbol."""
    return (
        TradingRules(symbol=Symbol(symbol), status=status, base_asset="LTC", quote_asset="BTC"),
    )


def now_ns() -> int:
    """Return the instant of the loop's clock."""
    return clock_of_loop().monotonic_ns()


class HandSource:
    """A venue with prepared answers; the last one repeats."""

    def __init__(self, answers: Iterable[Answer]) -> None:
        self.asked = 0
        self.skipped = SKIPPED
        self.answers = asyncio.Event()
        self.answers.set()
        self._answers = deque(answers)

    async def exchange_info(self) -> ParsedExchangeInfo:
        """Return or raise the next answer."""
        self.asked += 1
        await self.answers.wait()
        answer = self._answers[0] if len(self._answers) == 1 else self._answers.popleft()
        if isinstance(answer, VenueError):
            raise answer
        return ParsedExchangeInfo(rules=answer, symbols_skipped=self.skipped)


class HandStore:
    """A store in memory (port ``RulesStore``) that can be made to fail."""

    def __init__(self, stored: StoredRules | None = None, *, is_broken: bool = False) -> None:
        self.stored = stored
        self.is_broken = is_broken

    async def load_trading_rules(self) -> StoredRules | None:
        """Return the copy."""
        self._fail_if_broken()
        return self.stored

    async def save_trading_rules(self, stored: StoredRules) -> None:
        """Keep the copy."""
        self._fail_if_broken()
        self.stored = stored

    def _fail_if_broken(self) -> None:
        if self.is_broken:
            raise OSError("no space left on device")


def stored_rules(rules: tuple[TradingRules, ...]) -> HandStore:
    """Make a store with these rules."""
    return HandStore(StoredRules(rules=rules, fetched_at=ACCEPTED_AT))


@asynccontextmanager
async def running_book(
    *answers: Answer,
    store: HandStore | None = None,
    timing: RulesTiming = QUICK,
    is_silent: bool = False,
    on_loaded: Callable[[VenueRulesBook], None] | None = None,
    on_status: Callable[[Symbol, str], None] | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[tuple[VenueRulesBook, HandSource, HandStore]]:
    """Make a book and run it until the context ends; a silent venue answers nothing at first."""
    source, store = HandSource(answers), store or HandStore()
    if is_silent:
        source.answers.clear()
    book = VenueRulesBook(
        rest=source,
        store=store,
        clock=clock or HandClock(),
        random=random.Random(1),
        timing=timing,
        on_status=on_status,
    )
    task = asyncio.create_task(book.run(None if on_loaded is None else partial(on_loaded, book)))
    try:
        yield book, source, store
    finally:
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled(), "the book runs until it is stopped"


async def test_rules_come_from_the_venue_and_are_stored() -> None:
    """Fetched rules are used and stored, and the log names the number of unreadable symbols."""
    with capture_logs() as logs:
        async with running_book(rules(), timing=HOURLY) as (book, _, store):
            await eventually(lambda: store.stored)

            assert book.find(LTCBTC) == rules()[0]
            assert book.find(Symbol("NOSUCH")) is None
            state = book.state()

    assert (state.source, state.symbols, state.cause) == ("venue", 1, None)
    assert state.loaded_at == ACCEPTED_AT
    assert store.stored == StoredRules(rules=rules(), fetched_at=ACCEPTED_AT)
    (entry,) = logs
    assert (entry["event"], entry["log_level"]) == ("trading_rules_loaded", "info")
    assert (entry["source"], entry["symbols"], entry["skipped"]) == ("venue", 1, SKIPPED)


async def test_a_symbol_trades_unless_the_venue_says_otherwise() -> None:
    """A missing symbol does not trade, unless some symbols were unreadable."""
    listed = rules("LTCBTC") + rules("BNBBTC", "BREAK")
    async with running_book(listed) as (book, source, _):
        await eventually(lambda: book.state().source == "venue")
        unread = [book.is_trading(Symbol(one)) for one in ("LTCBTC", "BNBBTC", "NOSUCH")]
        source.skipped = 0
        asked = source.asked
        await eventually(lambda: source.asked >= asked + 2)
        delisted = book.is_trading(Symbol("NOSUCH"))

    assert unread == [True, False, True]
    assert not delisted


async def test_no_symbol_trades_by_the_stored_copy_before_the_venue_answers() -> None:
    """No symbol trades by stored rules before the venue's first answer."""
    changes: list[bool] = []
    async with running_book(
        rules(status="BREAK"),
        store=stored_rules(rules()),
        timing=HOURLY,
        is_silent=True,
        on_loaded=lambda book: changes.append(book.is_trading(LTCBTC)),
    ) as (book, source, _):
        await eventually(lambda: source.asked)
        before = book.is_trading(LTCBTC)
        source.answers.set()
        await eventually(lambda: book.state().source == "venue")

    assert not before
    assert not any(changes)


@pytest.mark.parametrize("is_silent", [False, True], ids=["fails", "never answers"])
async def test_symbols_trade_by_the_stored_copy_if_the_venue_does_not_answer(
    *, is_silent: bool
) -> None:
    """Symbols trade by stored rules after the venue failed to answer."""
    released = asyncio.Event()
    async with running_book(
        DOWN,
        store=stored_rules(rules()),
        timing=RulesTiming(confirm_seconds=0.05 if is_silent else 600),
        is_silent=is_silent,
        on_loaded=lambda book: released.set() if book.is_trading(LTCBTC) else None,
    ):
        await released.wait()


async def test_stored_copy_serves_while_the_venue_is_down() -> None:
    """The stored rules serve while the venue is down, and the state has the cause."""
    store = stored_rules(rules())
    async with running_book(DOWN, store=store) as (book, source, _):
        await eventually(lambda: source.asked >= 3)

        assert book.find(LTCBTC) == rules()[0]
        state = book.state()

    assert (state.source, state.loaded_at) == ("stored", ACCEPTED_AT)
    assert state.cause == "no route to the venue"


async def test_first_fetch_is_repeated_until_it_works() -> None:
    """The first fetch is retried until it succeeds."""
    async with running_book(DOWN, DOWN, rules(), timing=HOURLY) as (book, source, _):
        await eventually(lambda: book.state().source == "venue")

        assert book.state().cause is None
        assert source.asked == 3
        assert (book.state().failures, book.state().refreshes) == (2, 1)


@pytest.mark.parametrize(
    ("trouble", "cause"),
    [
        (VenueUnreachableError("not an exchangeInfo body"), "not an exchangeInfo body"),
        ((), "the venue listed no symbol that can be read"),
    ],
    ids=["garbage", "nothing"],
)
async def test_failed_refresh_keeps_the_last_good_copy(trouble: Answer, cause: str) -> None:
    """A failed refresh keeps the rules and shows its cause."""
    async with running_book(rules(), trouble) as (book, source, store):
        await eventually(lambda: source.asked >= 3)

        assert book.find(LTCBTC) == rules()[0]
        assert book.state().source == "venue"
        assert book.state().cause == cause
    assert store.stored is not None
    assert store.stored.rules == rules()


async def test_refresh_replaces_everything() -> None:
    """A refresh shows halted symbols and removes delisted ones."""
    halted, other = rules(status="BREAK"), rules("ETHBTC")

    async with running_book(rules() + other, halted) as (book, source, _):
        await eventually(lambda: source.asked >= 3)

        assert book.find(LTCBTC) == halted[0]
        assert book.find(Symbol("ETHBTC")) is None


async def test_throttled_fetch_waits_as_long_as_the_venue_says() -> None:
    """A throttled fetch waits at least as long as the venue asked."""
    loop = asyncio.get_running_loop()
    started = loop.time()

    async with running_book(VenueThrottledError(0.3), rules()) as (book, _, _):
        await eventually(lambda: book.state().source == "venue")

    assert loop.time() - started >= 0.3


async def test_failing_store_shows_as_cause_and_rules_stay_in_use() -> None:
    """A failing store shows as the cause, and fetched rules are used."""
    async with running_book(rules(), store=HandStore(is_broken=True)) as (book, source, _):
        await eventually(lambda: source.asked >= 2)

        assert book.find(LTCBTC) == rules()[0]
        assert "no space left" in str(book.state().cause)


@pytest.mark.parametrize("store", [HandStore(), stored_rules(())], ids=["no copy", "empty copy"])
async def test_nothing_loaded_raises_instead_of_being_an_empty_book(store: HandStore) -> None:
    """Before the first load, ``find`` raises instead of calling a symbol unknown."""
    async with running_book(DOWN, store=store) as (book, source, _):
        await eventually(lambda: source.asked)

        with pytest.raises(RulesNotLoadedError):
            book.find(LTCBTC)
        assert book.state().source == "none"


# --- Statuses learned between two refreshes -------------------------------------------------------


@pytest.mark.virtual_time
async def test_a_halt_is_noted_at_once_and_the_next_refresh_names_it() -> None:
    """The rules show the halt before the venue's word for it is known, and its end likewise."""
    statuses: list[tuple[str, str]] = []
    calls: list[bool] = []
    async with running_book(
        rules(),
        rules(status="BREAK"),
        timing=RulesTiming(),
        clock=clock_of_loop(),
        on_loaded=lambda book: calls.append(book.is_trading(LTCBTC)),
        on_status=lambda symbol, status: statuses.append((symbol, status)),
    ) as (book, source, _):
        await asyncio.sleep(100)
        book.note_trading([LTCBTC], [], asked_ns=now_ns())
        at_once = book.find(LTCBTC)
        await asyncio.sleep(0.1)
        named = book.find(LTCBTC)
        refreshes = source.asked
        book.note_trading([LTCBTC], [LTCBTC], asked_ns=now_ns())
        resumed = book.find(LTCBTC)

    assert at_once is not None
    assert named is not None
    assert (at_once.status, named.status) == (NOT_TRADING, "BREAK")
    assert refreshes == 2, "a refresh of its own"
    assert resumed == rules()[0]
    assert calls == [True, False, False, True]
    assert statuses == [
        ("LTCBTC", NOT_TRADING),
        ("LTCBTC", "BREAK"),
        ("LTCBTC", "TRADING"),
    ]


@pytest.mark.virtual_time
async def test_an_answer_about_a_symbol_counts_more_than_a_list_of_about_that_time() -> None:
    """A list may come from the venue's cache, or may have been under way."""
    async with running_book(rules(), timing=RulesTiming(), clock=clock_of_loop()) as (book, *_):
        await asyncio.sleep(100)
        book.note_trading([LTCBTC], [], asked_ns=now_ns())
        await asyncio.sleep(30)  # the refresh says that it trades
        halted = book.is_trading(LTCBTC)
        await asyncio.sleep(700)  # nobody asked again, and the list still says so
        trusted = book.is_trading(LTCBTC)

    assert not halted
    assert trusted


@pytest.mark.virtual_time
async def test_answers_that_arrive_out_of_order_do_no_harm() -> None:
    """The answer to the newest request counts."""
    async with running_book(rules(), timing=RulesTiming(), clock=clock_of_loop()) as (book, *_):
        await asyncio.sleep(100)
        asked_ns = now_ns()
        book.note_trading([LTCBTC], [], asked_ns=asked_ns)
        book.note_trading([LTCBTC], [LTCBTC], asked_ns=asked_ns - 1)
        assert not book.is_trading(LTCBTC)
        book.note_trading([LTCBTC], [LTCBTC], asked_ns=asked_ns + 1)
        assert book.is_trading(LTCBTC)


@pytest.mark.virtual_time
async def test_many_changes_cost_few_refreshes() -> None:
    """A symbol that halts and resumes every second causes a refresh every ten seconds."""
    async with running_book(rules(), timing=RulesTiming(), clock=clock_of_loop()) as (
        book,
        source,
        _,
    ):
        await asyncio.sleep(100)
        for second in range(100):
            book.note_trading([LTCBTC], [LTCBTC] if second % 2 else [], asked_ns=now_ns())
            await asyncio.sleep(1)

    assert 9 <= source.asked - 1 <= 12


@pytest.mark.virtual_time
async def test_waiting_for_trading_ends_with_the_halt() -> None:
    """A halt by the list and a halt by an answer both end the wait."""
    async with running_book(
        rules(status="HALT"), rules(), timing=RulesTiming(), clock=clock_of_loop()
    ) as (book, *_):
        await asyncio.sleep(100)
        waiting = asyncio.create_task(book.wait_until_trading(LTCBTC))
        await asyncio.sleep(1)
        assert not waiting.done()
        await asyncio.sleep(600)
        assert waiting.done()
        book.note_trading([LTCBTC], [], asked_ns=now_ns())
        waiting = asyncio.create_task(book.wait_until_trading(LTCBTC))
        await asyncio.sleep(1)
        assert not waiting.done()
        book.note_trading([LTCBTC], [LTCBTC], asked_ns=now_ns())
        await waiting


@pytest.mark.virtual_time
async def test_a_delisted_symbol_does_not_trade_until_the_venue_lists_it_again() -> None:
    """An answer that it trades counts before the next refresh has its rules."""
    ether = Symbol("ETHBTC")
    async with running_book(
        rules() + rules("ETHBTC"), rules(), timing=RulesTiming(), clock=clock_of_loop()
    ) as (book, source, _):
        source.skipped = 0
        await asyncio.sleep(700)
        gone = (book.is_listed(ether), book.is_trading(ether), book.find(ether))
        book.note_trading([ether], [ether], asked_ns=now_ns())
        assert book.is_trading(ether)

    assert gone == (False, False, None)
