"""Reading values and translating pydantic's errors into ours."""

from typing import Annotated

import pytest
from pydantic import PlainValidator
from pydantic_core import PydanticCustomError

from app.api.fields import InputModel, read_number_text, read_symbol, read_text
from app.domain.errors import FieldProblem, InvalidOrderError
from app.exact_json import JsonNumber


class Sample(InputModel):
    """An input whose field is read by our own function."""

    error = InvalidOrderError
    price: Annotated[str, PlainValidator(read_text)]


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
    """The message names the type that the client sent in the terms of JSON."""
    with pytest.raises(PydanticCustomError, match=f"must be a string, not {said}"):
        read_text(value)


def test_number_and_string_give_the_same_text() -> None:
    """An amount is read alike from a number and from a string."""
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
    """The answer names the first unknown fields, shortened, and counts the others."""
    values = {"price": "1", "x" * 500: 1} | {f"k{number}": 1 for number in range(30)}

    with pytest.raises(InvalidOrderError) as caught:
        Sample.model_validate(values)

    problems = caught.value.problems
    assert len(problems) == 11
    assert problems[0].field == "x" * 40 + "…"
    assert problems[-1].message == "21 more fields are not known"


def test_missing_refused_and_misspelled_fields_have_our_codes_and_words() -> None:
    """A problem has the same code and message whether we or pydantic found it."""
    with pytest.raises(InvalidOrderError) as missing:
        Sample.model_validate({"prise": 1})
    with pytest.raises(InvalidOrderError) as refused:
        Sample.model_validate({"price": None})

    assert missing.value.problems == (
        FieldProblem(field="price", code="required", message="is missing"),
        FieldProblem(
            field="prise", code="unknown_field", message="is not known; did you mean price?"
        ),
    )
    assert refused.value.problems == (
        FieldProblem(field="price", code="wrong_type", message="must be a string, not null"),
    )
