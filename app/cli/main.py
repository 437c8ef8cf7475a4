"""The command line ``papertape`` with its commands and options.

Commands for a running service are in ``app.cli.client.commands``, commands for tapes in
``app.cli.tape_commands``. Each command imports its modules when it runs, so that all start quickly.
"""

import gc
import inspect
import re
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer
from typer.core import TyperGroup

import app
from app.cli.client.command_line import EXIT_FAILED, exit_on_error, one_of
from app.cli.client.commands import client_commands
from app.cli.tape_commands import tape_commands
from app.domain.caller import DEFAULT_SCOPES, Scope
from app.domain.errors import StartupError
from app.event_loop import run
from app.simulator import options

if TYPE_CHECKING:
    from app.settings import Settings

COLLECT_AFTER_OBJECTS: Final = 10_000
"""The new objects after which a service's garbage collector runs, instead of Python's 700.

An open order keeps about a dozen objects, so after 700 objects almost nothing is garbage. These
runs took a fifth of the event loop's time to accept an order. A higher number saved no more.
"""

_EXIT_UNREADABLE: Final = 2
_EXIT_NOT_COVERED: Final = 3

_SETTING: Final = "DATABASE_URL"
_SETTING_ADVICE: Final = re.compile(rf"name another \w+ in {_SETTING}")

_Result = TypeVar("_Result")


class _Commands(TyperGroup):
    """All commands; an error that we raise on purpose ends each of them with one line."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - typer's, private
        """Run a command."""
        with exit_on_error():
            return super().invoke(ctx)


_cli = typer.Typer(
    name="papertape",
    cls=_Commands,
    help=(
        "Fulfill limit orders against Binance's live best bid and ask, without placing them. "
        "Settings come from the environment or from .env; docs/settings.md lists them."
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_keys = typer.Typer(
    name="keys", help="Create and list the keys in API_KEYS_FILE.", no_args_is_help=True
)
_cli.add_typer(_keys)

_KeyFileOption = Annotated[
    Path | None, typer.Option("--file", help="File of keys; by default API_KEYS_FILE.")
]


def main() -> None:
    """Run the command line."""
    _cli()


def _print_version(value: bool) -> None:  # noqa: FBT001 - typer passes it by position
    if value:
        typer.echo(f"papertape {app.__version__}")
        raise typer.Exit


@_cli.callback()
def _options(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    pass


@_cli.command("serve")
def _serve() -> None:
    """Run the service (POST /order/limit, /docs and more) until SIGTERM or Ctrl-C.

    Migrates the database first. Starts without a network too, reports at /readyz what it cannot
    reach, and reconnects by itself.
    """
    # Imported modules are never garbage: no collection while they load, and none of them later.
    gc.disable()
    settings = _read_settings()
    from app.settings import LogFormat  # noqa: PLC0415 - other commands start faster without it

    _configure_logs(level=settings.log_level, as_json=settings.log_format is LogFormat.JSON)
    from app.composition import serve  # noqa: PLC0415 - as above

    gc.enable()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER_OBJECTS)
    run(serve(settings))


@_cli.command("migrate")
def _migrate() -> None:
    """Migrate the database at DATABASE_URL to the newest revision."""
    database = _read_settings().database_url
    from app.storage.schema.migrate import migrate  # noqa: PLC0415 - as above

    revision = run(migrate(database))
    typer.echo(f"the database is at revision {revision}")


@_cli.command("audit")
def _audit(
    database: Annotated[
        str | None,
        typer.Argument(
            metavar="DATABASE",
            help="An SQLite file, or a URL like DATABASE_URL, which is the default.",
        ),
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Write the report as JSON.")] = False,
) -> None:
    """Check every invariant of the orders in a database; a service may be running.

    Exit status: 0 if every invariant holds, 1 if not, 2 if the database cannot be read.
    """
    with exit_on_error(_EXIT_UNREADABLE):
        name = database or _read_settings().database_url
        from app.cli.maintenance import audit_database  # noqa: PLC0415 - as above

        auditing = audit_database(name, as_json=as_json)
        is_sound = run(auditing if database is None else _with_url_advice(auditing))
    if not is_sound:
        raise typer.Exit(EXIT_FAILED)


@_cli.command("verify")
def _verify(
    database: Annotated[
        str, typer.Argument(metavar="DATABASE", help="An SQLite file, or a URL like DATABASE_URL.")
    ],
    tapes: Annotated[
        list[Path],
        typer.Argument(metavar="TAPE...", help="Recordings (see RECORD_DIR) or their folders."),
    ],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Write the report as JSON.")] = False,
) -> None:
    """Derive every split from recordings and compare it with a database.

    A service may be running. Exit status: 0 if everything is verified, 1 if something differs, 2 if
    something cannot be read, 3 if nothing differs but the recordings do not cover every order.
    """
    from app.cli.maintenance import verify_database  # noqa: PLC0415 - as above

    with exit_on_error(_EXIT_UNREADABLE):
        report = run(_with_url_advice(verify_database(database, tapes, as_json=as_json)))
    # A difference is worse than missing coverage.
    if report.differs:
        raise typer.Exit(EXIT_FAILED)
    if not report.is_covered:
        raise typer.Exit(_EXIT_NOT_COVERED)


@_cli.command("prune")
def _prune(
    *,
    before: Annotated[
        str,
        typer.Option(
            metavar="DATE", help="A UTC date YYYY-MM-DD, or an instant: 2026-11-23T16:46:37Z."
        ),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only count the orders, delete nothing.")
    ] = False,
) -> None:
    """Delete the orders that ended before a date, with their events and splits.

    Open orders are kept, and so are the client order ids of deleted orders. A service may be
    running.
    """
    database = _read_settings().database_url
    from app.cli.maintenance import prune_database, read_before  # noqa: PLC0415 - as above
    from app.clock import SystemClock  # noqa: PLC0415 - as above

    instant = read_before(before, now=SystemClock().now())
    run(prune_database(database, instant, dry_run=dry_run))


@_cli.command("backup")
def _backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The new file; it must not exist.")],
) -> None:
    """Copy the SQLite database at DATABASE_URL to a file; a service may be running."""
    database = _read_settings().database_url
    from app.cli.maintenance import back_up_database  # noqa: PLC0415 - as above

    run(back_up_database(database, file))


@_cli.command("simulate", cls=options.SimulateCommand)
def _simulate(**chosen: Any) -> None:  # noqa: ANN401 - typer checks them
    """Run the simulated venue: a Binance-compatible market on this machine, for offline use.

    It shows a synthetic market of about sixty pairs, including LTCBTC and BTCUSDT, or plays a tape.

    A service uses it with VENUE=simulator. Any other client uses its addresses: /ws/STREAM and
    /stream?streams=... for book tickers and mini tickers, /api/v3 for exchangeInfo, depth,
    ticker/bookTicker, time and ping. It applies Binance's limits, and causes failures on request.
    """
    _configure_logs(level="INFO")
    from app.cli.simulate import simulate  # noqa: PLC0415 - as above

    run(simulate(options.SimulatorOptions(**chosen)))


# Typer reads the options of a command from its signature: here one option per field.
_simulate.__signature__ = inspect.signature(options.SimulatorOptions)  # type: ignore[attr-defined]


@_cli.command("demo")
def _demo(
    *, once: Annotated[bool, typer.Option("--once", help="Exit after the three orders.")] = False
) -> None:
    """Start the simulated venue and the service, and place three orders."""
    _configure_logs(level="WARNING")
    from app.cli.demo import demo  # noqa: PLC0415 - as above

    run(demo(stay=not once))


@_keys.command("create")
def _create_key(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The owner of the key and of its orders.")
    ],
    *,
    scope: Annotated[
        list[Scope],
        typer.Option(
            parser=one_of(Scope),
            metavar="|".join(Scope),
            help="What the key allows; may be repeated.",
        ),
    ] = list(DEFAULT_SCOPES),  # noqa: B006 - typer requires a list, and nothing changes it
    file: _KeyFileOption = None,
) -> None:
    """Create a key, add its hash to the file, and print the key once.

    A running service accepts it within a second. Several keys may have the same name, so that a key
    can be replaced without a gap. To revoke a key, remove its entry from the file.
    """
    from app.access.key_file import add_key  # noqa: PLC0415 - as above
    from app.access.keys import new_key  # noqa: PLC0415 - as above

    key = new_key()
    path = _key_file(file)
    add_key(path, key, name=name, scopes=scope)
    typer.echo(key)
    typer.echo(f"This key of {name} is printed only once; {path} contains only its hash.", err=True)


@_keys.command("list")
def _list_keys(*, file: _KeyFileOption = None) -> None:
    """List the name, the first digits of the hash, and the scopes of each key."""
    from app.access.key_file import list_keys  # noqa: PLC0415 - as above
    from app.access.keys import HASH_DIGITS_SHOWN  # noqa: PLC0415 - as above

    for entry in list_keys(_key_file(file)):
        digits = entry.sha256.lower()[:HASH_DIGITS_SHOWN]
        typer.echo(f"{entry.name}  {digits}  {' '.join(entry.scopes) or 'no scopes'}")


def _key_file(file: Path | None) -> Path:
    if file is not None:
        return file
    name = _read_settings().api_keys_file
    if not name:
        raise StartupError("no file of keys: set API_KEYS_FILE or use --file")
    return Path(name)


_cli.add_typer(tape_commands)
_cli.add_typer(client_commands)


def _configure_logs(*, level: str, as_json: bool = False) -> None:
    """Configure the log before another module imports structlog, which then loads no rich."""
    from app.logs import configure_logs  # noqa: PLC0415 - as above

    configure_logs(level=level, as_json=as_json)


def _read_settings() -> "Settings":
    from app.settings import read_settings  # noqa: PLC0415 - as above

    return read_settings()


async def _with_url_advice(work: Coroutine[object, object, _Result]) -> _Result:
    """Run work on a database that the command line names, not a setting.

    Raises:
        StartupError: as ``work`` does, with advice about the argument instead of the setting.
    """
    try:
        return await work
    except StartupError as error:
        advice = _SETTING_ADVICE.sub("name another database", str(error))
        raise StartupError(advice.replace(_SETTING, "its URL")) from error
