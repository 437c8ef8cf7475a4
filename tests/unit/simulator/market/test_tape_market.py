"""Tests of ``app.simulator.market.tape_market``."""

import gzip
import itertools
import json
from decimal import Decimal
from pathlib import Path

import pytest

from app.domain.errors import StartupError
from app.simulator.market.tape_market import LOOP_GAP_US, TapeMarket
from app.tapes.tape_reader import TapeError
from tests.support.tapes import find_tape_file

FIRST = '{"u":10,"s":"LTCBTC","b":"0.00257700","B":"1.50000000","a":"0.00257800","A":"2.00000000"}'
SECOND = '{"u":12,"s":"BTCUSDT","b":"61837.60000000","B":"1.0","a":"61837.63000000","A":"0.10000"}'
THIRD = '{"u":17,"s":"LTCBTC","b":"0.00257700","B":"1.25000000","a":"0.00257800","A":"2.00000000"}'
START_US = 1_723_161_254_000_000


def line(ts_us: int, data: str) -> str:
    """Return a line of a tape."""
    return f'{{"ts":{ts_us},"data":{data}}}\n'


GOOD = line(START_US, FIRST) + line(START_US + 500, SECOND) + line(START_US + 2_000_000, THIRD)


def write_tape(folder: Path, text: str = GOOD) -> Path:
    """Write a plain tape, and return its path."""
    path = folder / "tape.jsonl"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_data_is_played_byte_for_byte_at_its_times(tmp_path: Path) -> None:
    """The frames and the times between them are as recorded."""
    quotes = list(TapeMarket(write_tape(tmp_path)).quotes())[2:]

    assert [quote.data for quote in quotes] == [FIRST, SECOND, THIRD]
    assert [quote.at_ns for quote in quotes] == [1, 500_000, 2_000_000_000]


def test_every_symbol_opens_empty_just_below_its_first_update_id(tmp_path: Path) -> None:
    """A client that requests depth before the first quote still accepts that quote."""
    opening = [quote for quote in TapeMarket(write_tape(tmp_path)).quotes() if quote.at_ns == 0]

    assert [(one.symbol, one.update_id) for one in opening] == [("LTCBTC", 9), ("BTCUSDT", 11)]


def test_the_rules_are_inferred_from_the_decimals_seen(tmp_path: Path) -> None:
    """The steps are as small as the finest amount needs."""
    listings = {one.symbol: one for one in TapeMarket(write_tape(tmp_path)).listings}

    assert listings["LTCBTC"].tick_size == Decimal("0.000001")
    assert listings["LTCBTC"].step_size == Decimal("0.01")
    assert listings["BTCUSDT"].entry["quoteAsset"] == "USDT"


def test_a_looping_tape_lifts_its_update_ids(tmp_path: Path) -> None:
    """The ids of a symbol rise from round to round, also in the text, and times rise too."""
    market = TapeMarket(write_tape(tmp_path), is_looping=True)
    quotes = list(itertools.islice(market.quotes(), 2 + 9))[2:]
    of_ltc = [quote for quote in quotes if quote.symbol == "LTCBTC"]

    assert [quote.update_id for quote in of_ltc] == [10, 17, 18, 25, 26, 33]
    assert [json.loads(quote.data)["u"] for quote in of_ltc] == [10, 17, 18, 25, 26, 33]
    assert of_ltc[3].data == THIRD.replace('"u":17', '"u":25')
    assert quotes[3].at_ns == (2_000_000 + LOOP_GAP_US) * 1_000
    assert all(a.at_ns <= b.at_ns for a, b in itertools.pairwise(quotes))


def test_a_given_exchange_info_is_served_instead(tmp_path: Path) -> None:
    """Its listings are served unchanged; a symbol without quotes has empty sides."""
    info = find_tape_file("exchangeinfo-20250807-25symbols.json.gz")
    market = TapeMarket(write_tape(tmp_path), exchange_info=info)
    opening = {quote.symbol: quote.update_id for quote in market.quotes() if quote.at_ns == 0}

    assert len(market.listings) == 25
    assert opening["LTCBTC"] == 9
    assert opening["BCCBTC"] == 1


def test_a_real_tape_is_played_completely() -> None:
    """Each frame of a recording is played unchanged."""
    path = find_tape_file("alts10-20210405.jsonl.gz")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        recorded = [one.partition('"data":')[2].rstrip()[:-1] for one in file]
    played = [quote.data for quote in TapeMarket(path).quotes() if quote.at_ns]

    assert played == recorded


@pytest.mark.parametrize(
    ("text", "line_number", "cause"),
    [
        ("", 0, "holds no quote"),
        ("nonsense\n", 1, "not a line of a tape"),
        (GOOD + '{"ts":1}\n', 4, "neither `data` nor `note`"),
        (GOOD + line(START_US, THIRD), 4, "ts"),
        (GOOD + line(START_US + 3_000_000, THIRD), 4, "update id 17 of LTCBTC is not above"),
        (line(START_US, FIRST.replace("0.00257700", "-1")), 1, "amount '-1'"),
        (line(START_US, FIRST.replace('"0.00257700"', "0.00257700")), 1, "Expected `str`"),
        (line(START_US, "[]"), 1, "not a quote to play"),
        (GOOD + line(START_US + 3_000_000, '"garbage"'), 4, "not a quote to play"),
    ],
)
def test_a_bad_tape_is_refused_with_its_line(
    tmp_path: Path, text: str, line_number: int, cause: str
) -> None:
    """The message names the file, the line and the cause."""
    with pytest.raises(TapeError) as caught:
        TapeMarket(write_tape(tmp_path, text))

    assert caught.value.line_number == line_number
    assert cause in str(caught.value)
    assert "tape.jsonl" in str(caught.value)
    assert isinstance(caught.value, StartupError)


def test_a_missing_tape_is_refused(tmp_path: Path) -> None:
    """A missing file raises TapeError."""
    with pytest.raises(TapeError, match="No such file"):
        TapeMarket(tmp_path / "none.jsonl")


def test_a_truncated_tape_is_played_up_to_its_end(tmp_path: Path) -> None:
    """The complete lines are played, and the market reports the truncation."""
    path = tmp_path / "tape.jsonl.gz"
    path.write_bytes(gzip.compress(GOOD.encode())[:-12])
    market = TapeMarket(path)

    assert [one.data for one in market.quotes() if one.at_ns] == [FIRST, SECOND]
    assert market.is_cut_short


def test_frames_that_a_venue_would_not_send_are_skipped_in_a_recording(tmp_path: Path) -> None:
    """After a note, repeated quotes, late quotes and frames that are not quotes are skipped.

    They are counted, and affect neither the symbols nor the times nor the steps.
    """
    note = f'{{"ts":{START_US},"note":{{"kind":"connection","what":"opened"}}}}\n'
    more = line(START_US + 3_000_000, THIRD.replace('"u":17', '"u":18'))
    unsound = (
        line(START_US + 2_000_001, THIRD)
        + line(START_US + 2_000_002, FIRST.replace("0.00257700", "0.0025770001"))
        + line(START_US + 2_000_003, '{"u":99,"s":"ETHBTC","b":"?","B":"1","a":"2","A":"1"}')
        + line(START_US + 2_000_004, '{"result":null,"id":1}')
    )
    market = TapeMarket(write_tape(tmp_path, note + GOOD + unsound + note + more))
    played = [one for one in market.quotes() if one.at_ns]

    assert [one.update_id for one in played] == [10, 12, 17, 18]
    assert played[-1].at_ns == 3_000_000_000
    assert [one.symbol for one in market.listings] == ["LTCBTC", "BTCUSDT"]
    assert market.listings[0].tick_size == Decimal("0.000001")
    assert market.frames_skipped == 4
    assert not market.is_cut_short


def test_a_growing_tape_is_played_up_to_its_length_at_the_start(tmp_path: Path) -> None:
    """Lines that were not checked at the start are not played."""
    path = write_tape(tmp_path)
    market = TapeMarket(path, is_looping=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(line(START_US + 3_000_000, THIRD.replace("LTCBTC", "ETHBTC")) + "nonsense\n")

    round_of_three = itertools.islice(market.quotes(), 2 + 6)

    assert [one.symbol for one in round_of_three][2:] == ["LTCBTC", "BTCUSDT", "LTCBTC"] * 2


def test_a_wrong_exchange_info_is_refused(tmp_path: Path) -> None:
    """The message names the file."""
    with pytest.raises(TapeError, match=r"tape\.jsonl: no answer to exchangeInfo: "):
        TapeMarket(write_tape(tmp_path), exchange_info=tmp_path / "tape.jsonl")
