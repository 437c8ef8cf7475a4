"""A Binance-compatible venue as a server of its own, so that everything runs offline.

``venue`` serves, ``connection`` and ``streams`` hold the clients, ``control`` and ``rest`` speak
Binance's words. A market is shown through ``stage``: ``market`` is the synthetic one (``pairs``,
``book_walk``), ``tape_market`` plays a recording, ``scripted_market`` is driven by a test.
The service reaches it only through its network address, by the same code as Binance.
"""
