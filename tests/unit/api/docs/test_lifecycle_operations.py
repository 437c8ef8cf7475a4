"""The description of what can be done with orders that are there."""

from app.api.docs.lifecycle_operations import lifecycle_operations
from app.api.orders.read_orders import CANCEL_ALL_QUERY, PAGE_QUERY


def test_described_query_parameters_are_those_that_are_read() -> None:
    """Every parameter is described, and none that is not read."""
    described = {
        operation.operation_id: {
            parameter.name for parameter in operation.parameters if parameter.place == "query"
        }
        for operation in lifecycle_operations()
    }

    assert described == {
        "cancelOrder": set(),
        "cancelOrders": set(CANCEL_ALL_QUERY),
        "listEvents": set(PAGE_QUERY),
    }


def test_symbol_of_a_cancel_is_described_as_required() -> None:
    """A generator of clients does not leave it out."""
    (cancel_all,) = [one for one in lifecycle_operations() if one.operation_id == "cancelOrders"]

    assert [parameter.is_required for parameter in cancel_all.parameters] == [True]
