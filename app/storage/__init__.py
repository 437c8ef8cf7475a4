"""Durable state: tables, migrations, the journal that alone writes, and the queries that read.

``database`` opens a database and owns it, ``journal`` queues and commits, ``batch`` turns a queue
into rows, ``writer`` is the connection that writes, ``queries`` answers. ``tables`` and
``column_types`` say how values are stored, ``migrate`` brings the schema up to date.
"""
