"""The commands for tapes: ``record`` and ``replay``."""

from pathlib import Path
from typing import Annotated, Final

import typer

_BYTES_PER_MEGABYTE: Final = 1_000_000

tape_commands = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@tape_commands.command("record")
def _record(
    *,
    symbols: Annotated[
        list[str], typer.Argument(metavar="SYMBOL", help="A symbol to record, such as LTCBTC.")
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="The new tape; gzipped if the name ends in .gz (recommended)."
        ),
    ],
    seconds: Annotated[
        float | None, typer.Option(metavar="N", help="Stop after this many seconds.", min=0.1)
    ] = None,
    size_max: Annotated[
        float | None,
        typer.Option(
            metavar="MB", help="Stop when the file has about this many megabytes.", min=0.001
        ),
    ] = None,
) -> None:
    """Record the venue's quotes as a tape, until Ctrl-C, SIGTERM, or the given limit.

    Every line is written within a second, so the tape is readable even after `kill -9`. The
    settings choose the venue. Exit status: 0 if something was recorded, 1 if not.
    """
    from app.cli.record import (  # noqa: PLC0415 - other commands start faster without it
        RecordCommand,
        read_symbols,
        record_tape,
    )
    from app.clock import SystemClock  # noqa: PLC0415 - as above
    from app.event_loop import run  # noqa: PLC0415 - as above
    from app.logs import configure_logs  # noqa: PLC0415 - as above
    from app.settings import read_settings  # noqa: PLC0415 - as above

    configure_logs(level="ERROR", as_json=False)
    command = RecordCommand(
        symbols=read_symbols(symbols),
        out=out,
        seconds=seconds,
        bytes_max=None if size_max is None else round(size_max * _BYTES_PER_MEGABYTE),
    )
    run(record_tape(command, read_settings(), clock=SystemClock()))


@tape_commands.command("replay")
def _replay(
    *,
    tape: Annotated[
        Path, typer.Argument(metavar="TAPE", help="A tape, .jsonl or .jsonl.gz, of any length.")
    ],
    orders: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            help="JSON list of orders, or one order per line; - reads standard input.",
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the results to this file as JSON.")
    ] = None,
) -> None:
    """Place orders on a tape and print the fills that each would have had.

    An order is {"id", "symbol", "side", "order_size", "price", "placed_ts", "timeout_ms"}, with
    placed_ts in microseconds of the tape. Orders of the same "owner" share the displayed
    quantities; orders of different owners do not. The same tape and orders always give the same
    output.
    """
    from app.cli.replay import replay_tape  # noqa: PLC0415 - as above
    from app.clock import SystemClock  # noqa: PLC0415 - as above

    replay_tape(tape, orders, as_json=as_json, out=out, clock=SystemClock())
