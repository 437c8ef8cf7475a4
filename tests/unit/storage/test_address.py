"""Database URLs, parsed and checked."""

from pathlib import Path

import pytest

from app.domain.errors import StartupError
from app.storage.address import DatabaseAddress


def test_a_relative_sqlite_path_is_below_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The default URL names a file in the working folder."""
    monkeypatch.chdir(tmp_path)

    address = DatabaseAddress.parse("sqlite+aiosqlite:///database.db")

    assert address.path == tmp_path / "database.db"
    assert str(address) == str(tmp_path / "database.db")
    address.check_place()


def test_two_names_of_a_file_are_one_address(tmp_path: Path) -> None:
    """A symbolic link leads to the same address, and so to the same lock."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")

    through_link = DatabaseAddress.parse(f"sqlite+aiosqlite:///{tmp_path}/link/a.db")

    assert through_link.path == tmp_path / "real" / "a.db"


def test_a_postgresql_address_hides_its_password() -> None:
    """The text form of an address contains no password."""
    address = DatabaseAddress.parse("postgresql+asyncpg://me:secret@db.example:5433/papertape")

    assert address.path is None
    assert str(address) == "postgresql+asyncpg://me:***@db.example:5433/papertape"
    address.check_place()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "not a URL"),
        ("database.db", "not a URL"),
        ("mysql+aiomysql://me:secret@host/db", "mysql.aiomysql, which is not supported"),
        ("sqlite:///database.db", "begins with sqlite, which is not supported"),
        ("postgresql://host/db", "use sqlite.aiosqlite or postgresql.asyncpg"),
        ("sqlite+aiosqlite://", "in memory, which would lose every order"),
        ("sqlite+aiosqlite:///:memory:", "in memory"),
        ("sqlite+aiosqlite:///file:orders?mode=memory&uri=true", "in memory"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_in_one_line(url: str, words: str) -> None:
    """The message suggests a valid URL and contains no password."""
    with pytest.raises(StartupError, match=words) as refusal:
        DatabaseAddress.parse(url)

    assert "\n" not in str(refusal.value)
    assert "secret" not in str(refusal.value)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    """A missing folder is refused and not created: the path may be misspelled."""
    address = DatabaseAddress.parse(f"sqlite+aiosqlite:///{tmp_path}/missing/a.db")

    with pytest.raises(StartupError, match=r"no folder .*missing for the database; make it first"):
        address.check_place()


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    """A path that is a folder is refused."""
    with pytest.raises(StartupError, match="is not a file; name another one in DATABASE_URL"):
        DatabaseAddress.parse(f"sqlite+aiosqlite:///{tmp_path}").check_place()
