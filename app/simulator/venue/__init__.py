"""The server: one port with streams and REST, the limits and the errors of Binance.

``server`` runs it on ``listener``. ``client_connection`` is one WebSocket, ``subscribers`` its
streams, ``control_messages`` its SUBSCRIBE and UNSUBSCRIBE. ``rest_api`` answers REST requests.
``client_admission``, ``request_weight`` and ``venue_limits`` enforce Binance's limits.
"""
