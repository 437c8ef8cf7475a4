"""The tables in the code equal the migrated tables."""

from pathlib import Path

import pytest
from sqlalchemy import Connection, inspect

from app.storage.address import DatabaseAddress
from app.storage.connections import Writer
from app.storage.schema.migrate import migrate
from app.storage.schema.tables import METADATA
from tests.support.databases import KINDS, scratch_database


@pytest.mark.parametrize("kind", KINDS)
async def test_every_column_is_as_the_migrations_make_it(kind: str, tmp_path: Path) -> None:
    """Names, types and nullability of all columns are equal on both databases."""
    async with scratch_database(kind, tmp_path) as url:
        await migrate(url)
        address = DatabaseAddress.parse(url)
        writer = Writer(address)

        differing = await writer.transact(differences)
        await writer.close()

    assert differing == {}


def differences(connection: Connection) -> dict[str, object]:
    """Return the tables whose columns differ from the code."""
    dialect = connection.dialect
    differing: dict[str, object] = {}
    for table in METADATA.sorted_tables:
        ours = {
            column.name: (column.type.compile(dialect), column.nullable) for column in table.columns
        }
        theirs = {
            column["name"]: (column["type"].compile(dialect), column["nullable"])
            for column in inspect(connection).get_columns(table.name)
        }
        if ours != theirs:
            differing[table.name] = (ours, theirs)
    return differing
