"""A Binance-compatible venue as a separate server, for offline use and for tests.

``venue`` serves clients over WebSocket and REST, ``market`` produces the quotes, and ``faults``
holds the failures on request. The service uses the simulator through its network address only,
with the same code as for Binance.
"""
