"""Checks and maintenance of a whole database; a service may be running on it.

``audit`` checks every row against the promises of Papertape. ``order_invariants`` concern one
order, ``quote_invariants`` all orders of a symbol. ``audit_rows`` reads the rows, and
``audit_report`` holds the findings. A verification (``recording.verify``) reads rows and compares
orders by the same modules. ``prune`` deletes closed orders, ``backup`` copies an SQLite database.
"""
