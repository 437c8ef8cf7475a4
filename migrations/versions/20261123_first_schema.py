"""The first schema: orders, their events and splits, the ledger, and who owns the database.

Every constraint has a name that says what it stands for, since the name is all that SQLite tells of
a row it refuses. SQLite keeps amounts and instants as TEXT, so there their form is checked letter
by letter; comparisons by CAST are coarse, but never refuse what holds exactly.
"""
# ruff: noqa: INP001 - a folder of scripts, not a package

from collections.abc import Iterator, Sequence

import sqlalchemy as sa
from alembic import op

revision = "20261123"
down_revision = None
branch_labels = None
depends_on = None

TERMINAL = "status IN ('FILLED', 'CANCELED', 'EXPIRED')"
ENDED_UNFILLED = "status IN ('CANCELED', 'EXPIRED')"
STATUSES = ("NEW", "PARTIALLY_FILLED", "FILLED", "CANCELED", "EXPIRED")
SIDES = ("BUY", "SELL")
REASONS = (
    "TIMEOUT",
    "NO_MARKET_DATA",
    "TIMEOUT_DURING_OUTAGE",
    "IOC_REMAINDER",
    "FOK_UNFILLABLE",
    "CANCELED_BY_CLIENT",
)
PRODUCT_DIGITS = (32, 24)
"""Digits before and behind the point of price times quantity."""

AVERAGE_DIGITS = (17, 28)
"""Rounding at 16 digits may carry into a 17th."""


def upgrade() -> None:
    """Make every table, index and view."""
    _make_orders()
    _make_splits()
    _make_order_events()
    _make_fulfilled_orders()
    _make_ledger()
    _make_single_rows()
    op.execute(ORDER_OVERVIEW)


def _make_orders() -> None:
    op.create_table(
        "orders",
        sa.Column("acceptance_number", _row_number(), autoincrement=False, nullable=False),
        sa.Column("order_id", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("client_order_id", sa.Text),
        sa.Column("symbol", sa.Text, nullable=False),
        sa.Column("side", sa.Text, nullable=False),
        sa.Column("time_in_force", sa.Text, nullable=False),
        sa.Column("quantity", _amount(), nullable=False),
        sa.Column("limit_price", _amount(), nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("filled_quantity", _amount(), nullable=False),
        sa.Column("quote_quantity", _amount(), nullable=False),
        sa.Column("splits_total", sa.BigInteger, nullable=False),
        sa.Column("last_sequence", sa.BigInteger, nullable=False),
        sa.Column("accepted_at", _instant(), nullable=False),
        sa.Column("expires_at", _instant(), nullable=False),
        sa.Column("closed_at", _instant()),
        sa.PrimaryKeyConstraint("acceptance_number"),
        sa.UniqueConstraint("order_id", name="one_order_per_id"),
        _check("acceptance_number_from_1", "acceptance_number >= 1"),
        _check("order_id_is_a_uuid", "length(order_id) = 36"),
        _check("owner_is_named", "length(owner) >= 1"),
        _check("client_order_id_1_to_36_long", "length(client_order_id) BETWEEN 1 AND 36"),
        _check("symbol_1_to_20_long", "length(symbol) BETWEEN 1 AND 20"),
        _one_of("side", SIDES),
        _one_of("time_in_force", ("GTD", "IOC", "FOK")),
        _one_of("status", STATUSES),
        _one_of("reason", REASONS),
        *_positive("quantity"),
        *_positive("limit_price"),
        *_exact("filled_quantity"),
        *_exact("quote_quantity", PRODUCT_DIGITS),
        *_whole("splits_total", least=0),
        _check("never_overfilled", f"{_coarse('filled_quantity')} <= {_coarse('quantity')}"),
        _check("filled_when_whole", "(status = 'FILLED') = (filled_quantity = quantity)"),
        _check("new_before_any_split", "status <> 'NEW' OR splits_total = 0"),
        _check("partial_after_a_split", "status <> 'PARTIALLY_FILLED' OR splits_total > 0"),
        _check("filled_by_splits", f"({_coarse('filled_quantity')} = 0) = (splits_total = 0)"),
        _check("paid_by_splits", f"({_coarse('quote_quantity')} = 0) = (splits_total = 0)"),
        _check(
            "one_event_each",
            f"last_sequence = splits_total + CASE WHEN {ENDED_UNFILLED} THEN 2 ELSE 1 END",
        ),
        _check("reason_when_ended_unfilled", f"(reason IS NOT NULL) = ({ENDED_UNFILLED})"),
        _check("closed_when_terminal", f"(closed_at IS NOT NULL) = ({TERMINAL})"),
        _check("expires_after_acceptance", "expires_at >= accepted_at"),
        *_instants("accepted_at", "expires_at", "closed_at"),
    )
    op.create_index(
        "one_order_per_client_order_id",
        "orders",
        ["owner", "client_order_id"],
        unique=True,
        sqlite_where=sa.text("client_order_id IS NOT NULL"),
        postgresql_where=sa.text("client_order_id IS NOT NULL"),
    )
    for columns in ((), ("symbol",), ("status",), ("symbol", "status")):
        name = "_and_".join(("owner", *columns))
        op.create_index(f"orders_by_{name}", "orders", ["owner", *columns, "acceptance_number"])
    op.create_index(
        "unfinished_orders",
        "orders",
        ["symbol", "acceptance_number"],
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )


def _make_splits() -> None:
    op.create_table(
        "fulfilled_order_splits",
        sa.Column("id", _row_number(), nullable=False),
        sa.Column("order_id", sa.Text, nullable=False),
        sa.Column("split_number", sa.BigInteger, nullable=False),
        sa.Column("update_id", sa.BigInteger, nullable=False),
        sa.Column("price", _amount(), nullable=False),
        sa.Column("quantity", _amount(), nullable=False),
        sa.Column("displayed_quantity", _amount(), nullable=False),
        sa.Column("filled_at", _instant(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.ForeignKeyConstraint(["order_id"], ["orders.order_id"], name="split_of_an_order"),
        sa.UniqueConstraint("order_id", "split_number", name="one_split_per_number"),
        *_whole("split_number", least=1),
        *_whole("update_id", least=1),
        *_positive("price"),
        *_positive("quantity"),
        *_exact("displayed_quantity"),
        _check(
            "never_more_than_displayed", f"{_coarse('quantity')} <= {_coarse('displayed_quantity')}"
        ),
        *_instants("filled_at"),
    )


def _make_order_events() -> None:
    op.create_table(
        "order_events",
        sa.Column("position", _row_number(), autoincrement=False, nullable=False),
        sa.Column("order_id", sa.Text, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("at", _instant(), nullable=False),
        sa.Column("split_number", sa.BigInteger),
        sa.Column("filled_quantity", _amount(), nullable=False),
        sa.Column("quote_quantity", _amount(), nullable=False),
        sa.PrimaryKeyConstraint("position"),
        sa.ForeignKeyConstraint(["order_id"], ["orders.order_id"], name="event_of_an_order"),
        sa.ForeignKeyConstraint(
            ["order_id", "split_number"],
            ["fulfilled_order_splits.order_id", "fulfilled_order_splits.split_number"],
            name="event_of_a_stored_split",
        ),
        sa.UniqueConstraint("order_id", "sequence", name="one_event_per_sequence"),
        _check("position_from_1", "position >= 1"),
        *_whole("sequence", least=1),
        _one_of("status", STATUSES),
        _one_of("reason", REASONS),
        *_exact("filled_quantity"),
        *_exact("quote_quantity", PRODUCT_DIGITS),
        _check("new_is_the_first", "(status = 'NEW') = (sequence = 1)"),
        _check("new_is_unfilled", f"status <> 'NEW' OR {_coarse('filled_quantity')} = 0"),
        _check("reason_when_ended_unfilled", f"(reason IS NOT NULL) = ({ENDED_UNFILLED})"),
        _check(
            "split_when_filling",
            "(split_number IS NOT NULL) = (status IN ('PARTIALLY_FILLED', 'FILLED'))",
        ),
        _check("split_number_follows_sequence", "split_number = sequence - 1"),
        *_instants("at"),
    )


def _make_fulfilled_orders() -> None:
    op.create_table(
        "fulfilled_orders",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("created_at", _instant(), nullable=False),
        sa.Column("symbol", sa.Text, nullable=False),
        sa.Column("side", sa.Text, nullable=False),
        sa.Column("quantity", _amount(), nullable=False),
        sa.Column("price", _amount(), nullable=False),
        sa.Column("average_price", _amount(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.ForeignKeyConstraint(["id"], ["orders.order_id"], name="id_of_an_order"),
        _one_of("side", SIDES),
        *_positive("quantity"),
        *_positive("price"),
        *_positive("average_price", AVERAGE_DIGITS),
        *_instants("created_at"),
    )


def _make_ledger() -> None:
    op.create_table(
        "symbol_gates",
        sa.Column("symbol", sa.Text, nullable=False),
        sa.Column("update_id", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("symbol"),
        _check("symbol_1_to_20_long", "length(symbol) BETWEEN 1 AND 20"),
        *_whole("update_id", least=1),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "taken_liquidity",
        sa.Column("symbol", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("side", sa.Text, nullable=False),
        sa.Column("price", _amount(), nullable=False),
        sa.Column("quantity", _amount(), nullable=False),
        sa.Column("update_id", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("symbol", "owner", "side", "price"),
        sa.ForeignKeyConstraint(["symbol"], ["symbol_gates.symbol"], name="ledger_has_a_gate"),
        _check("owner_is_named", "length(owner) >= 1"),
        _one_of("side", SIDES),
        *_positive("price"),
        *_positive("quantity"),
        *_whole("update_id", least=1),
        sqlite_with_rowid=False,
    )


def _make_single_rows() -> None:
    op.create_table(
        "service_owner",
        sa.Column("id", _row_number(), autoincrement=False, nullable=False),
        sa.Column("venue", sa.Text, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("since", _instant(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        _check("one_row", "id = 1"),
        _check("venue_is_named", "length(venue) >= 1"),
        _check("owner_is_named", "length(owner) >= 1"),
        *_whole("epoch", least=1),
        *_instants("since"),
    )
    op.create_table(
        "trading_rules",
        sa.Column("id", _row_number(), autoincrement=False, nullable=False),
        sa.Column("fetched_at", _instant(), nullable=False),
        sa.Column("rules", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        _check("one_row", "id = 1"),
        *_instants("fetched_at"),
    )


ORDER_OVERVIEW = """
CREATE VIEW order_overview AS
SELECT orders.acceptance_number AS number,
       orders.symbol,
       orders.side,
       orders.quantity AS order_size,
       orders.limit_price,
       orders.status,
       orders.reason,
       orders.filled_quantity,
       orders.quote_quantity,
       fulfilled_orders.average_price,
       orders.splits_total AS splits,
       orders.accepted_at,
       orders.expires_at,
       orders.closed_at,
       orders.order_id,
       orders.owner
FROM orders
LEFT JOIN fulfilled_orders ON fulfilled_orders.id = orders.order_id
"""
"""For people who open the database; nothing of ours reads it."""


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def _row_number() -> sa.types.TypeEngine[int]:
    return sa.Integer() if _is_sqlite() else sa.BigInteger()


def _amount() -> sa.types.TypeEngine[object]:
    return sa.Text() if _is_sqlite() else sa.Numeric()


def _instant() -> sa.types.TypeEngine[object]:
    return sa.Text() if _is_sqlite() else sa.DateTime(timezone=True)


def _coarse(column: str) -> str:
    """Return the amount in a form that compares by value, on SQLite to 15 digits."""
    return f"CAST({column} AS REAL)" if _is_sqlite() else column


def _check(name: str, condition: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(condition, name=name)


def _one_of(column: str, values: Sequence[str]) -> sa.CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return _check(f"{column}_is_known", f"{column} IN ({listed})")


def _whole(column: str, *, least: int) -> Iterator[sa.CheckConstraint]:
    """Require an integer, which SQLite does not by itself."""
    condition = f"{column} >= {least}"
    if _is_sqlite():
        condition = f"typeof({column}) = 'integer' AND {condition}"
    yield _check(f"{column}_from_{least}", condition)


def _positive(column: str, digits: tuple[int, int] = (16, 12)) -> Iterator[sa.CheckConstraint]:
    yield from _exact(column, digits)
    yield _check(f"{column}_positive", f"{_coarse(column)} > 0")


def _exact(column: str, digits: tuple[int, int] = (16, 12)) -> Iterator[sa.CheckConstraint]:
    """Require an amount of at most so many digits before and behind the point, zero included.

    On SQLite in its one canonical form, so that equal amounts are equal texts; on PostgreSQL the
    upper bound keeps NaN and Infinity out, which it takes for the greatest of all numbers.
    """
    whole_digits, fraction_digits = digits
    if _is_sqlite():
        whole = f"instr({column} || '.', '.') - 1"
        condition = (
            f"typeof({column}) = 'text'"
            f" AND {column} GLOB '[0-9]*' AND {column} NOT GLOB '*[^0-9.]*'"
            f" AND {column} NOT GLOB '0[0-9]*' AND {column} NOT GLOB '*.*.*'"
            f" AND {column} NOT GLOB '*.' AND {column} NOT GLOB '*.*0'"
            f" AND {whole} <= {whole_digits}"
            f" AND length({column}) - ({whole}) - 1 <= {fraction_digits}"
        )
    else:
        bounds = f"{column} >= 0 AND {column} < 1e{whole_digits}"
        condition = f"{bounds} AND scale({column}) <= {fraction_digits}"
    yield _check(f"{column}_exact", condition)


def _instants(*columns: str) -> Iterator[sa.CheckConstraint]:
    """Require UTC with six decimals on SQLite, a finite instant on PostgreSQL."""
    two = "[0-9][0-9]"
    form = f"{two}{two}-{two}-{two}T{two}:{two}:{two}.{two}{two}{two}Z"
    for column in columns:
        condition = f"{column} GLOB '{form}'" if _is_sqlite() else f"isfinite({column})"
        yield _check(f"{column}_is_utc", condition)
