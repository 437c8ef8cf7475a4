"""${message}.

Additive first; what takes something away comes a release later.
"""
# ruff: noqa: INP001 - a folder of scripts, not a package

% if imports:
${imports}
% endif
import sqlalchemy as sa
from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """${message}."""
    ${upgrades if upgrades else "raise NotImplementedError"}
