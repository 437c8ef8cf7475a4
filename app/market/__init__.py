"""Market data: what the venue displays and what it accepts, turned into domain values.

=====================  =============================================================================
``book_ticker``        one frame of the stream to one value; pure, no exception ever leaves it
``exchange_info``      an exchangeInfo body to ``TradingRules``; pure
``pacing``             how often: sliding windows, exponential backoff
``connection``         one WebSocket: frames out by callback, control messages in at an allowed pace
``streams``            who listens to which stream, and what the venue was asked for
``seeding``            depth snapshots for listeners that have no quote yet
``shared_connection``  keeps one connection alive for up to 1,024 streams
``feed``               ``BookTickerFeed``: the quotes of all symbols
``rest``               ``VenueRest``: depth snapshots and exchangeInfo within the venue's limits
``rules_book``         ``VenueRulesBook``: the last good trading rules, refreshed hourly
=====================  =============================================================================

A quote takes ``connection``, ``book_ticker``, ``shared_connection``, ``streams`` and is with its
listener, in one synchronous call.
"""
