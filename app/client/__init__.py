"""The command line as a client of a Papertape service, at whatever address.

It knows the service as any stranger does, by what goes over the wire, and imports nothing of it.

==================  ==============================================================================
``commands``        the commands and their options; everything below is imported once one runs
``arguments``       what is typed, read before anything is sent
``order``           place an order and follow it to its end
``orders``          list orders, show one, cancel
``watch``           follow the events of many orders
``following``       every event of one order, whatever happens to the connection
``event_stream``    the WebSocket, resumed where it broke
``service``         the requests, repeated where that is safe
``address``         where the service is and how it is told who asks
``patience``        how often and how long a thing is tried again
``wire``            the shapes of answers and events
``words``           answers and events in sentences
``tables``          the tables and the progress bar, which the demo shows as well
``terminal``        output that suits a terminal or a pipe
``errors``          what ends a command
==================  ==============================================================================
"""
