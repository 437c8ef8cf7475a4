"""The shell around the matcher: orders, quotes and timers in, durable events out.

``desk`` takes orders, hands them to their symbols and recovers what a restart left open;
``symbol`` is one symbol's fulfillment; ``outcome`` puts what the matcher did into events.
"""
