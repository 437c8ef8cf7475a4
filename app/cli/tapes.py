"""The commands for tapes: ``record`` and ``replay``."""

from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer

from app.domain.errors import PapertapeError

_EXIT_FAILED: Final = 1
_EXIT_INTERRUPTED: Final = 130
_BYTES_PER_MEGABYTE: Final = 1_000_000

tape_commands = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@tape_commands.command("record")
def _record(
    *,
    symbols: Annotated[
        list[str],
        typer.Argument(
            metavar="SYMBOL", help="What to record, such as LTCBTC.", show_default=False
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="The new tape; gzipped if the name ends in .gz, as it should.",
            show_default=False,
        ),
    ],
    seconds: Annotated[
        float | None,
        typer.Option(metavar="N", help="End after so many seconds.", min=0.1, show_default=False),
    ] = None,
    size_max: Annotated[
        float | None,
        typer.Option(
            metavar="MB",
            help="End once the file has about so many megabytes.",
            min=0.001,
            show_default=False,
        ),
    ] = None,
) -> None:
    """Record the venue's quotes as a tape, until Ctrl-C or SIGTERM, or as long as you say.

    Every line is on disk within a second, so the tape can be read whatever ends the recording. The
    venue is that of the settings. Exit status: 0 if something was recorded, 1 if not.
    """
    from app.cli.record import (  # noqa: PLC0415 - as above
        RecordCommand,
        read_symbols,
        record_until_told,
    )
    from app.clock import SystemClock  # noqa: PLC0415 - the other commands start faster without
    from app.event_loop import run  # noqa: PLC0415 - as above
    from app.logs import configure_logs  # noqa: PLC0415 - as above
    from app.settings import read_settings  # noqa: PLC0415 - as above

    configure_logs(level="ERROR", as_json=False)
    try:
        command = RecordCommand(
            symbols=read_symbols(symbols),
            out=out,
            seconds=seconds,
            bytes_max=None if size_max is None else round(size_max * _BYTES_PER_MEGABYTE),
        )
        run(record_until_told(command, read_settings(), clock=SystemClock()))
    except PapertapeError as error:
        _end(error)
    except KeyboardInterrupt:
        raise typer.Exit(_EXIT_INTERRUPTED) from None


@tape_commands.command("replay")
def _replay(
    *,
    tape: Annotated[
        Path,
        typer.Argument(
            metavar="TAPE", help="A tape, .jsonl or .jsonl.gz, of any length.", show_default=False
        ),
    ],
    orders: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            help="JSON list of orders, or one order per line; - reads the standard input.",
            show_default=False,
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the results there, as JSON.", show_default=False),
    ] = None,
) -> None:
    """Place orders on a tape and say what each would have got, to the last split.

    An order is {"id", "symbol", "side", "order_size", "price", "placed_ts", "timeout_ms"}, with
    placed_ts in microseconds of the tape; orders of the same "owner" share what is displayed, those
    of different owners do not. The same tape and orders always give the same output.
    """
    from app.cli.replay import ReplayCommand, replay_tape  # noqa: PLC0415 - as above
    from app.clock import SystemClock  # noqa: PLC0415 - the other commands start faster without

    command = ReplayCommand(tape=tape, orders=orders, as_json=as_json, out=out)
    try:
        replay_tape(command, clock=SystemClock())
    except PapertapeError as error:
        _end(error)
    except KeyboardInterrupt:
        raise typer.Exit(_EXIT_INTERRUPTED) from None


def _end(error: PapertapeError) -> NoReturn:
    typer.echo(f"papertape: {error}", err=True)
    raise typer.Exit(_EXIT_FAILED)
