"""The WebSocket of order events, ``/ws/orders``."""
