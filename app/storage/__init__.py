"""Durable state: one journal writes it, queries read it.

In the order in which a row comes to be: ``address`` and ``migrate`` say where and with what schema,
``ownership`` that it is ours alone, ``database`` opens it; ``journal`` queues what happened,
``rows`` and ``batch`` turn a group of it into one transaction, ``writer`` runs that, ``failures``
says what an error means; ``queries`` answers. ``tables`` and ``column_types`` are how values are
kept. Beside the service work ``audit`` (with ``audit_…``), ``prune`` and ``backup``; ``reading``
shows them one moment of the database.
"""
