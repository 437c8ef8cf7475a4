"""What the quote that decided an IOC or FOK order had for it, so that it can tell why it ended.

``departure_update_id`` is the update id of that quote.
"""
# ruff: noqa: INP001 - a folder of scripts, not a package

from alembic import op

revision = "20261126"
down_revision = "20261125"
branch_labels = None
depends_on = None

PRICE = "decision_price"
DISPLAYED = "decision_displayed_quantity"
TAKEN = "decision_taken_quantity"


def upgrade() -> None:
    """Add the columns; orders that have ended already keep none."""
    _add(
        PRICE,
        "decision_of_an_order_that_a_quote_ended",
        f"{PRICE} IS NULL OR (departure_update_id IS NOT NULL"
        " AND reason IS NOT NULL AND reason IN ('IOC_REMAINDER', 'FOK_UNFILLABLE'))",
    )
    _add(DISPLAYED, "decision_displays_at_a_price", f"({DISPLAYED} IS NULL) = ({PRICE} IS NULL)")
    _add(
        TAKEN,
        "decision_takes_no_more_than_displayed",
        f"({TAKEN} IS NULL) = ({DISPLAYED} IS NULL)"
        f" AND ({TAKEN} IS NULL OR {_coarse(TAKEN)} <= {_coarse(DISPLAYED)})",
    )


def _add(column: str, name: str, condition: str) -> None:
    amount = "TEXT" if _is_sqlite() else "NUMERIC"
    op.execute(
        f"ALTER TABLE orders ADD COLUMN {column} {amount}"
        f" CONSTRAINT {column}_exact CHECK ({_exact(column)})"
        f" CONSTRAINT {name} CHECK ({condition})"
    )


def _coarse(column: str) -> str:
    """Return the amount in a form that compares by value, on SQLite to 15 digits."""
    return f"CAST({column} AS REAL)" if _is_sqlite() else column


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
