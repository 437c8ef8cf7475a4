"""A tape of four lines, and `papertape replay` with it."""

import json
from pathlib import Path
from typing import Any, Final

from typer.testing import Result

from tests.unit.cli import command_runner
from tests.unit.cli.command_runner import papertape

START: Final = 1_723_161_254_000_000


def frame(ts: int, update_id: int, ask: str, quantity: str, symbol: str = "LTCBTC") -> str:
    """Return a line of a tape; ``ts`` is relative to its start."""
    data = f'{{"u":{update_id},"s":"{symbol}","b":"99.00","B":"1","a":"{ask}","A":"{quantity}"}}'
    return f'{{"ts":{START + ts},"data":{data}}}\n'


TAPE: Final = (
    frame(0, 10, "99.99", "5.00000000")
    + frame(1_000, 1, "700", "3", "ETHBTC")
    + frame(2_000, 11, "99.99", "8")
    + frame(9_000, 12, "99.98", "1")
)
ORDER: Final = {
    "id": "a",
    "symbol": "LTCBTC",
    "order_size": "20",
    "price": "100",
    "placed_ts": START + 500,
    "timeout_ms": 5,
}


class Replayed:
    """A folder with a tape, and the command with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tape = folder / "tape.jsonl"
        self.tape.write_text(TAPE)

    def run(self, orders: object, *arguments: str) -> Result:
        """Replay orders, given as text or as an object to encode."""
        text = orders if isinstance(orders, str) else json.dumps(orders)
        (self.folder / "orders.json").write_text(text)
        return self.invoke(str(self.tape), "--orders", str(self.folder / "orders.json"), *arguments)

    def invoke(self, *arguments: str, standard_input: str = "") -> Result:
        """Run ``papertape replay ARGUMENTS``."""
        return papertape("replay", *arguments, standard_input=standard_input)

    def refused(self, orders: object, *arguments: str) -> str:
        """Return the single line of a refusal."""
        line = command_runner.refused(self.run(orders, *arguments))
        return line.replace(f"{self.folder}/", "")


def results(result: Result) -> Any:  # noqa: ANN401 - any JSON value
    """Return the decoded output of ``--json``."""
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)
