"""The HTTP edge: a request becomes an order, an error becomes a status, and ``/docs``.

In the order of a request: ``guard`` (who may ask), ``orders`` with ``body``, ``fields``,
``order_form`` and ``query`` (what is asked), ``answers`` (what is told), ``errors`` (what is
refused). ``shapes``, ``operations``, ``order_operations`` and ``examples`` document it, ``openapi``
and ``docs`` serve that document, ``application`` puts everything together.
"""
