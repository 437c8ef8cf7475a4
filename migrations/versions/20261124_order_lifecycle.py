"""Keys that orders were placed under, the identity of the event stream, and how orders were met.

``client_order_ids`` is the one truth about keys and outlives the orders: pruning an old order must
not make its key free again. ``event_stream`` says which stream of events this is, and what pruning
removed from it, so that numbers are never given twice.
"""
# ruff: noqa: INP001 - a folder of scripts, not a package

import secrets

import sqlalchemy as sa
from alembic import op

revision = "20261124"
down_revision = "20261123"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what an order's whole life needs; what is there stays as it is."""
    _make_client_order_ids()
    _make_event_stream()
    _add_arrival()


def _make_client_order_ids() -> None:
    op.create_table(
        "client_order_ids",
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("client_order_id", sa.Text, nullable=False),
        sa.Column("order_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("owner", "client_order_id"),
        sa.UniqueConstraint("order_id", name="one_client_order_id_per_order"),
        sa.CheckConstraint("length(owner) >= 1", name="owner_is_named"),
        sa.CheckConstraint(
            "length(client_order_id) BETWEEN 1 AND 36", name="client_order_id_1_to_36_long"
        ),
        sa.CheckConstraint("length(order_id) = 36", name="order_id_is_a_uuid"),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO client_order_ids (owner, client_order_id, order_id)"
        " SELECT owner, client_order_id, order_id FROM orders WHERE client_order_id IS NOT NULL"
    )


def _make_event_stream() -> None:
    integer = sa.Integer() if _is_sqlite() else sa.BigInteger()
    table = op.create_table(
        "event_stream",
        sa.Column("id", integer, autoincrement=False, nullable=False),
        sa.Column("stream_id", sa.Text, nullable=False),
        sa.Column("last_pruned_position", sa.BigInteger, nullable=False),
        sa.Column("last_pruned_acceptance_number", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.CheckConstraint("id = 1", name="one_row"),
        sa.CheckConstraint("length(stream_id) = 16", name="stream_id_16_long"),
        sa.CheckConstraint("last_pruned_position >= 0", name="last_pruned_position_from_0"),
        sa.CheckConstraint(
            "last_pruned_acceptance_number >= 0", name="last_pruned_acceptance_number_from_0"
        ),
    )
    op.bulk_insert(
        table,
        [
            {
                "id": 1,
                "stream_id": secrets.token_hex(8),
                "last_pruned_position": 0,
                "last_pruned_acceptance_number": 0,
            }
        ],
    )


def _add_arrival() -> None:
    """Add what an order met; SQLite takes a new column with its checks, but no new table check."""
    amount = "TEXT" if _is_sqlite() else "NUMERIC"
    op.execute(
        "ALTER TABLE orders ADD COLUMN arrival_update_id BIGINT"
        f" CONSTRAINT arrival_update_id_from_1 CHECK ({_whole('arrival_update_id', least=1)})"
    )
    op.execute(
        f"ALTER TABLE orders ADD COLUMN arrival_price {amount}"
        f" CONSTRAINT arrival_price_exact CHECK ({_exact('arrival_price')})"
        " CONSTRAINT arrival_price_of_a_quote"
        " CHECK ((arrival_price IS NULL) = (arrival_update_id IS NULL))"
    )
    op.execute(
        "ALTER TABLE orders ADD COLUMN quotes_seen BIGINT NOT NULL DEFAULT 0"
        f" CONSTRAINT quotes_seen_from_0 CHECK ({_whole('quotes_seen', least=0)})"
    )


def _whole(column: str, *, least: int) -> str:
    """Require an integer, or none, which SQLite does not by itself."""
    kind = f"typeof({column}) IN ('integer', 'null') AND " if _is_sqlite() else ""
    return f"{kind}({column} IS NULL OR {column} >= {least})"


def _exact(column: str) -> str:
    """Require an exact amount as in the first schema: on SQLite in its one canonical form."""
    if not _is_sqlite():
        return f"{column} >= 0 AND {column} < 1e16 AND scale({column}) <= 12"
    whole = f"instr({column} || '.', '.') - 1"
    return (
        f"{column} IS NULL OR (typeof({column}) = 'text'"
        f" AND {column} GLOB '[0-9]*' AND {column} NOT GLOB '*[^0-9.]*'"
        f" AND {column} NOT GLOB '0[0-9]*' AND {column} NOT GLOB '*.*.*'"
        f" AND {column} NOT GLOB '*.' AND {column} NOT GLOB '*.*0'"
        f" AND {whole} <= 16 AND length({column}) - ({whole}) - 1 <= 12)"
    )


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"
