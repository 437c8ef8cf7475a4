"""The server: streams and REST on one port, with the limits and the errors of Binance.

``server`` runs the venue on a ``listener``. A ``client_connection`` is one WebSocket,
``subscribers`` holds the streams of all connections, and ``control_messages`` changes them.
``rest_api`` answers REST requests from ``listed_symbols``, in the form of ``http_answers``.
``client_admission`` applies the ``venue_limits``, and ``observations`` records the traffic.
"""
