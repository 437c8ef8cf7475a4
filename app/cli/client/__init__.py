"""The command line as a client of a Papertape service, at any address.

The client knows the service only by the HTTP and WebSocket API, and imports nothing of it.

==================  ==============================================================================
``commands``        the commands and their options; each imports the modules below when it runs
``arguments``       checks of what the user typed, before a request is sent
``place_order``     places an order and follows it until it is closed
``manage_orders``   lists orders, shows one, cancels
``watch``           follows the events of many orders
``order_follower``  every event of one order, across reconnects
``event_stream``    the WebSocket, resumed after a lost connection
``service_client``  the requests, repeated where that is safe
``service_address`` the address of the service and the caller's key
``retries``         how often and how long a request is retried
``answers``         the shapes of answers and events
``sentences``       answers and events in sentences
``tables``          tables and the progress bar, which the demo shows as well
``terminal``        output for a terminal or a pipe
``client_errors``   the errors that end a command
==================  ==============================================================================
"""
