"""Orders and events as the service sends them."""

from app.cli.client import answers as wire
from tests.support.fake_service import FakeService

BODY = {"symbol": "LTCBTC", "order_size": "100", "price": "0.0026", "client_order_id": "mine"}


def view(service: FakeService, order_id: str) -> wire.Order:
    """Return an order as GET answers it."""
    shown: wire.Order = service.view(service.orders[order_id])  # type: ignore[assignment] # as sent
    return shown


def open_order() -> wire.Order:
    """Return an unfilled order."""
    service = FakeService()
    return view(service, service.accept(BODY)["order_id"])


def filled_order(splits: int = 2) -> wire.Order:
    """Return a fulfilled order."""
    service = FakeService()
    order_id = service.accept({**BODY, "order_size": str(10 * splits)})["order_id"]
    for _ in range(splits):
        service.fill(order_id, "10", "0.00251")
    return view(service, order_id)


def expired_order(reason: str = "TIMEOUT") -> wire.Order:
    """Return an order that expired after one split."""
    service = _service_of_an_expired_order(reason)
    (order_id,) = service.orders
    return view(service, order_id)


def events_of_an_expired_order() -> list[wire.Event]:
    """Return the acceptance, a fill, and the end."""
    events: list[wire.Event] = _service_of_an_expired_order().events  # type: ignore[assignment] # as sent
    return events


def _service_of_an_expired_order(reason: str = "TIMEOUT") -> FakeService:
    service = FakeService()
    order_id = service.accept(BODY)["order_id"]
    service.fill(order_id, "10", "0.00251")
    service.close(order_id, "EXPIRED", reason)
    return service
