"""Up to which update id an order was matched.

With ``arrival_update_id`` it bounds the quotes that an order met, so that its splits can be held
against a recording without looking at any clock.
"""
# ruff: noqa: INP001 - a folder of scripts, not a package

from alembic import op

revision = "20261125"
down_revision = "20261124"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; orders that have ended already keep none."""
    kind = "typeof(departure_update_id) IN ('integer', 'null') AND " if _is_sqlite() else ""
    op.execute(
        "ALTER TABLE orders ADD COLUMN departure_update_id BIGINT"
        " CONSTRAINT departure_update_id_from_1"
        f" CHECK ({kind}(departure_update_id IS NULL OR departure_update_id >= 1))"
        " CONSTRAINT departure_of_an_order_that_ended"
        " CHECK (departure_update_id IS NULL OR closed_at IS NOT NULL)"
    )


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"
