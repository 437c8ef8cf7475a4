"""The journal, the single writer.

``group_commit`` queues and commits in groups. ``entries`` are the items of the queue, ``batch`` is
one transaction, ``rows`` and ``statements`` turn it into SQL.
"""
