"""The description of the routes of orders."""

from app.api.docs.order_operations import order_operations
from app.api.orders.limit_order import ORDER_FIELDS
from app.api.orders.read_orders import ORDERS_QUERY, PAGE_QUERY


def test_described_query_parameters_are_those_that_are_read() -> None:
    """Every parameter is described, and none that is not read."""
    described = {
        operation.operation_id: {
            parameter.name for parameter in operation.parameters if parameter.place == "query"
        }
        for operation in order_operations()
    }

    assert described["listOrders"] == set(ORDERS_QUERY)
    assert described["listSplits"] == set(PAGE_QUERY)


def test_body_is_described_field_by_field() -> None:
    """The model of the body has the fields that the form reads."""
    place = order_operations()[0]

    assert place.body is not None
    assert set(place.body.model_fields) == set(ORDER_FIELDS)
