"""The command line as a client of a Papertape service, at any address.

The client uses only the HTTP and WebSocket API, and imports no module of the service.

==================  ==============================================================================
``commands``        the commands and their options; each imports the modules below when it runs
``command_line``    checks of arguments, and the exit status of a command
``place_order``     places an order and follows it until it is closed
``manage_orders``   lists orders, shows one, cancels
``watch``           follows the events of many orders
``order_follower``  every event of one order, across reconnects
``event_stream``    the WebSocket, resumed after a lost connection
``service_client``  the requests, retried where that is safe
``service_address`` the address of the service and the caller's key
``retries``         how often and how long a request is retried
``answers``         the shapes of answers and events
``sentences``       answers and events in sentences
``tables``          tables and the progress bar, which the demo shows as well
``terminal``        output for a terminal or a pipe
``client_errors``   the errors that end a command
==================  ==============================================================================
"""
