"""Papertape fulfills limit orders against Binance's live best bid and ask without placing them.

The map, in the order of the data:

==================  ==============================================================================
``api``             HTTP edge: requests become orders, errors become statuses, ``/docs``
``access``          identifies callers: by the keys of a file, or open to all
``market``          book-ticker parsing, the shared venue connection, seeding, trading rules
``fulfillment``     runs the matchers: orders, quotes and timers in, events out; recovery
``storage``         tables, migrations, the journal (the single group-commit writer), queries
``auditing``        checks a whole database; prune and backup
``notify``          delivers durable events to waiting requests and subscribers
``simulator``       a Binance-compatible venue as a separate server, for offline use
``tapes``           stored streams of quotes: reading, writing, replaying orders on one
``recording``       recordings of a running service, and ``verify``, which checks fills by them
``domain``          the pure core: order, quote, liquidity ledger, matcher, trading rules
``cli``             every command; ``cli.client`` knows a service only by its API
==================  ==============================================================================

``ports`` defines the interfaces between the packages, ``exact_json`` reads JSON without rounding,
``settings`` alone reads the environment, ``clock`` alone calls now(), ``event_loop`` chooses the
loop, ``composition`` connects all packages. Imports point inward: ``domain`` imports nothing of
ours, ``tapes`` only ``domain`` and ``exact_json``, adapters these and ``ports``, never one another.
"""

__version__ = "0.1.0"
