"""The columns of every table, for the statements of this package.

Checks, unique keys, foreign keys and indexes are defined only in ``migrations/``: the database
enforces them for every writer. A test compares these columns with the migrated tables.
"""

from typing import Final

from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, Text

from app.storage.schema.column_types import ExactAmount, UtcInstant

METADATA: Final = MetaData()

_RowNumber = BigInteger().with_variant(Integer(), "sqlite")
"""SQLite numbers rows by a primary key only if its type is exactly INTEGER.

See "ROWIDs and the INTEGER PRIMARY KEY" at https://www.sqlite.org/lang_createtable.html.
"""

orders: Final = Table(
    "orders",
    METADATA,
    Column("acceptance_number", _RowNumber, primary_key=True, autoincrement=False),
    Column("order_id", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("client_order_id", Text),
    Column("symbol", Text, nullable=False),
    Column("side", Text, nullable=False),
    Column("time_in_force", Text, nullable=False),
    Column("quantity", ExactAmount, nullable=False),
    Column("limit_price", ExactAmount, nullable=False),
    Column("status", Text, nullable=False),
    Column("reason", Text),
    Column("filled_quantity", ExactAmount, nullable=False),
    Column("quote_quantity", ExactAmount, nullable=False),
    Column("splits_total", BigInteger, nullable=False),
    Column("last_sequence", BigInteger, nullable=False),
    Column("accepted_at", UtcInstant, nullable=False),
    Column("expires_at", UtcInstant, nullable=False),
    Column("closed_at", UtcInstant),
    Column("arrival_update_id", BigInteger),
    Column("arrival_price", ExactAmount),
    Column("quotes_seen", BigInteger, nullable=False, server_default="0"),
    Column("departure_update_id", BigInteger),
    Column("decision_price", ExactAmount),
    Column("decision_displayed_quantity", ExactAmount),
    Column("decision_taken_quantity", ExactAmount),
)
"""Every accepted order with its current state."""

client_order_ids: Final = Table(
    "client_order_ids",
    METADATA,
    Column("owner", Text, primary_key=True),
    Column("client_order_id", Text, primary_key=True),
    Column("order_id", Text, nullable=False),
)
"""The client order ids; they stay when orders are pruned, so that none is used twice."""

order_events: Final = Table(
    "order_events",
    METADATA,
    Column("position", _RowNumber, primary_key=True, autoincrement=False),
    Column("order_id", Text, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("status", Text, nullable=False),
    Column("reason", Text),
    Column("at", UtcInstant, nullable=False),
    Column("split_number", BigInteger),
    Column("filled_quantity", ExactAmount, nullable=False),
    Column("quote_quantity", ExactAmount, nullable=False),
)
"""The events, numbered 1..n per order; ``position`` numbers all events in commit order."""

fulfilled_orders: Final = Table(
    "fulfilled_orders",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("created_at", UtcInstant, nullable=False),
    Column("symbol", Text, nullable=False),
    Column("side", Text, nullable=False),
    Column("quantity", ExactAmount, nullable=False),
    Column("price", ExactAmount, nullable=False),
    Column("average_price", ExactAmount, nullable=False),
)
"""One row per filled order; ``id`` is the order id, ``price`` the limit price."""

fulfilled_order_splits: Final = Table(
    "fulfilled_order_splits",
    METADATA,
    Column("id", _RowNumber, primary_key=True, autoincrement=True),
    Column("order_id", Text, nullable=False),
    Column("split_number", BigInteger, nullable=False),
    Column("update_id", BigInteger, nullable=False),
    Column("price", ExactAmount, nullable=False),
    Column("quantity", ExactAmount, nullable=False),
    Column("displayed_quantity", ExactAmount, nullable=False),
    Column("filled_at", UtcInstant, nullable=False),
)
"""The splits of every order, fulfilled or not."""

symbol_gates: Final = Table(
    "symbol_gates",
    METADATA,
    Column("symbol", Text, primary_key=True),
    Column("update_id", BigInteger, nullable=False),
)
"""The largest applied update id per symbol; a quote at or below it never fills."""

taken_liquidity: Final = Table(
    "taken_liquidity",
    METADATA,
    Column("symbol", Text, primary_key=True),
    Column("owner", Text, primary_key=True),
    Column("side", Text, primary_key=True),
    Column("price", ExactAmount, primary_key=True),
    Column("quantity", ExactAmount, nullable=False),
    Column("update_id", BigInteger, nullable=False),
)
"""The quantity that we took at a price and that may still be displayed."""

service_owner: Final = Table(
    "service_owner",
    METADATA,
    Column("id", _RowNumber, primary_key=True, autoincrement=False),
    Column("venue", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("owner", Text, nullable=False),
    Column("since", UtcInstant, nullable=False),
)
"""One row: the venue of this database, and the service that may write to it."""

event_stream: Final = Table(
    "event_stream",
    METADATA,
    Column("id", _RowNumber, primary_key=True, autoincrement=False),
    Column("stream_id", Text, nullable=False),
    Column("last_pruned_position", BigInteger, nullable=False),
    Column("last_pruned_acceptance_number", BigInteger, nullable=False),
)
"""One row: the name of the stream of events, and the greatest pruned numbers."""

trading_rules: Final = Table(
    "trading_rules",
    METADATA,
    Column("id", _RowNumber, primary_key=True, autoincrement=False),
    Column("fetched_at", UtcInstant, nullable=False),
    Column("rules", Text, nullable=False),
)
"""One row: the last good copy of the trading rules, as JSON."""

THE_ONLY_ROW: Final = 1
"""The ``id`` of the row in tables with one row."""
