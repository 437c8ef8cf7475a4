"""The shell around the matcher: orders, quotes and timers in, durable events out.

``desk`` accepts orders, passes them to their symbols, and recovers open orders after a restart;
``symbol`` fulfills one symbol's orders; ``outcome`` turns the matcher's steps into events.
"""
