"""Checks and maintenance of a whole database, also beside a running service.

``audit`` checks every row against the promises of Papertape: ``order_invariants`` of one order,
``quote_invariants`` of all orders of a symbol. ``audit_rows`` reads the rows, ``audit_report``
holds the findings. ``prune`` deletes closed orders, ``backup`` copies an SQLite database.
"""
