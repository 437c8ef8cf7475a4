"""The journal: the only writer of orders, events and ledgers.

``group_commit`` queues entries and commits them in groups. ``entries`` holds the items of the
queue, and ``batch`` writes one transaction. ``rows`` and ``statements`` turn a batch into SQL.
"""
