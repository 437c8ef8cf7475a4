"""The interfaces between the packages. ``composition`` passes implementations in as arguments.

``market`` covers the venue, ``storage`` the database, ``orders`` placing orders and following
them, ``health`` the state of each part, ``system`` time, ids and callers.
"""

from app.ports.health import (
    ClockState,
    ConnectionState,
    DeskState,
    FeedState,
    JournalState,
    Lag,
    QuoteCounts,
    RecordingState,
    RulesState,
)
from app.ports.market import (
    Feed,
    FeedRecorder,
    QuoteListener,
    RulesBook,
    RulesStore,
    StoredRules,
)
from app.ports.orders import (
    NO_MARKET,
    SPLITS_PER_ANSWER_MAX,
    EventBus,
    EventSubscription,
    EventSubscriptions,
    MarketView,
    OrderDesk,
    OrderWaiter,
    OrderWaiters,
    SubscriptionEndedError,
)
from app.ports.storage import (
    EventFilter,
    EventReader,
    Journal,
    JournalListener,
    OrderQuery,
    OrderReader,
    RecoveryStore,
    StoredLedger,
)
from app.ports.system import Access, Clock, IdSource

__all__ = [
    "NO_MARKET",
    "SPLITS_PER_ANSWER_MAX",
    "Access",
    "Clock",
    "ClockState",
    "ConnectionState",
    "DeskState",
    "EventBus",
    "EventFilter",
    "EventReader",
    "EventSubscription",
    "EventSubscriptions",
    "Feed",
    "FeedRecorder",
    "FeedState",
    "IdSource",
    "Journal",
    "JournalListener",
    "JournalState",
    "Lag",
    "MarketView",
    "OrderDesk",
    "OrderQuery",
    "OrderReader",
    "OrderWaiter",
    "OrderWaiters",
    "QuoteCounts",
    "QuoteListener",
    "RecordingState",
    "RecoveryStore",
    "RulesBook",
    "RulesState",
    "RulesStore",
    "StoredLedger",
    "StoredRules",
    "SubscriptionEndedError",
]
