"""Reading fields and gathering what is wrong."""

import pytest

from app.api.fields import FieldForm, FieldRefusal, read_number_text, read_symbol, read_text
from app.domain.errors import InvalidOrderError
from app.exact_json import JsonNumber


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "null"),
        (True, "a boolean"),
        (JsonNumber("1"), "a number"),
        ([], "an array"),
        ({}, "an object"),
    ],
)
def test_wrong_type_is_called_by_its_name_in_json(value: object, said: str) -> None:
    """A client reads what it sent in the words of JSON."""
    with pytest.raises(FieldRefusal, match=f"must be a string, not {said}"):
        read_text(value)


def test_number_and_string_give_the_same_text() -> None:
    """Both ways to write an amount are read alike."""
    assert read_number_text(JsonNumber("0.10")) == read_number_text("0.10") == "0.10"
    assert type(read_number_text(JsonNumber("0.10"))) is str


@pytest.mark.parametrize(
    ("sent", "symbol"),
    [("ltcbtc", "LTCBTC"), ("1000SATSusdt", "1000SATSUSDT"), ("币usdt", "币USDT")],
)
def test_symbol_is_read_in_the_spelling_of_the_venue(sent: str, symbol: str) -> None:
    """Lower case is accepted; other scripts stay as they are."""
    assert read_symbol(sent) == symbol


def test_first_unknown_fields_are_told_and_the_rest_counted() -> None:
    """The answer stays short however much is sent, and long names are cut."""
    form = FieldForm({"x" * 500: 1} | {f"k{number}": 1 for number in range(30)})
    form.refuse_unknown(["price"])

    with pytest.raises(InvalidOrderError) as caught:
        form.finish(InvalidOrderError)

    problems = caught.value.problems
    assert len(problems) == 11
    assert problems[0].field == "x" * 40 + "…"
    assert problems[-1].message == "21 more fields are not known"


def test_form_without_problems_raises_nothing() -> None:
    """Sound input passes."""
    form = FieldForm({"symbol": "LTCBTC"})
    form.require("symbol")

    form.finish(InvalidOrderError)

    assert form.read("symbol", read_text, "") == "LTCBTC"
