"""Durable state: the journal writes it, queries read it.

===================  =============================================================================
``address``          the URL of a database, parsed and checked
``schema``           tables, column types, migrations
``ownership``        one service owns a database: a lock, and an epoch that stops former owners
``connections``      the asynchronous engines: one connection that writes, a pool that reads
``database``         opens, locks, migrates and closes a database
``journal``          the single writer, which commits in groups
``queries``          reads orders, ledgers and rules, for answers and for recovery
``event_queries``    reads events by position, for subscribers
``order_lookup``     reads orders with their splits from one snapshot
``unfinished``       reads open orders page by page, for recovery
``snapshot``         a snapshot of a database, also beside a running service
``failures``         sorts errors: to retry, our bug, or a wrong configuration
===================  =============================================================================
"""
