"""Durable state: one journal writes it, queries read it.

===================  =============================================================================
``address``          the URL of the database, parsed and checked
``schema``           tables, column types, migrations
``ownership``        one service owns a database: a lock, and an epoch that fences old owners
``connections``      the asynchronous engines: one connection that writes, a pool that reads
``database``         opens, locks and migrates a database, and closes it
``journal``          the single writer, which commits in groups
``queries``          orders and rules for answers and for recovery
``event_queries``    events by position, for subscribers
``order_lookup``     orders with their splits at one moment
``unfinished``       open orders, page by page, for recovery
``snapshot``         one moment of a database, beside a running service
``failures``         which errors to retry, which are bugs, which are a wrong set-up
===================  =============================================================================
"""
