"""The HTTP edge: a request becomes an order, an error becomes a status, and ``/docs``.

In the order of a request: ``http_protocol`` (how long a connection may take), ``guard`` (from where
one may ask), ``admission`` and ``rates`` (who may, and how often), ``orders`` with ``body``,
``fields``, ``order_form`` and ``query`` (what is asked), ``answers`` (what is told), ``errors``
(what is refused). ``shapes``, ``operations``, ``order_operations`` and ``examples`` document it,
``openapi`` and ``docs`` serve that document, ``application`` puts everything together.
"""
