"""Papertape fulfills limit orders against Binance's live best bid and ask without placing them.

The map, in the order of the data:

==================  ==============================================================================
``api``             HTTP edge: a request becomes an order, an error becomes a status, ``/docs``
``access``          who a caller is: the keys of a file, or everybody
``market``          book-ticker parsing, the shared venue connection, seeding, trading rules
``fulfillment``     the shell around the matcher: orders, quotes and timers in, events out; recovery
``storage``         tables, migrations, the journal (the single group-commit writer), queries
``notify``          durable events to whoever waits for them
``simulator``       a Binance-compatible venue as a server of its own, for offline use
``tapes``           stored streams of quotes: reading, writing, replaying orders on one
``taping``          the commands that make and play them, ``record`` and ``replay``
``evidence``        a recording of what the feed got and what matchers were told
``verification``    the database held against such a recording, ``verify``
``domain``          the pure core they share: order, quote, liquidity ledger, matcher, trading rules
``client``          the command line as a client: it knows a service by what goes over the wire
==================  ==============================================================================

``ports`` holds the seams between them on one screen, ``exact_json`` reads JSON for whoever takes
orders, ``settings`` is the only reader of the environment, ``clock`` the only caller of now(),
``event_loop`` the one place where the loop is chosen, ``composition`` the only module that knows
all others, ``cli`` the command line. Imports point inward: ``domain`` imports nothing of ours,
``tapes`` the domain and ``exact_json``, adapters import these and ``ports`` and never one another.
"""

__version__ = "0.1.0"
