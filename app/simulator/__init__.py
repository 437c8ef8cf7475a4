"""A Binance-compatible venue as a separate server, for offline use and for tests.

``venue`` serves clients over WebSocket and REST, ``market`` makes the quotes, ``faults`` makes
things go wrong on request. The service reaches the simulator only through its network address, by
the same code as Binance.
"""
