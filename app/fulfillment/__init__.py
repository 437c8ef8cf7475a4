"""The shell around the matcher: orders, quotes and timers in, durable events out.

=================  ===============================================================================
``desk``           accepts orders, passes them to their symbols, recovers after a restart
``symbol``         fulfills the orders of one symbol
``outcome``        turns the matcher's steps into events for the journal
``loading``        reads open orders back, in batches
``timers``         the next deadline, and the minute that a symbol stays subscribed
``interruptions``  symbols that lack a current quote for long
``counters``       counts of events, quotes and stale seeds
=================  ===============================================================================
"""
