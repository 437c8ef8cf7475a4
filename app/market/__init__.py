"""Market data: the venue's quotes and trading rules as domain values.

==================  ===============================================================================
``book_ticker``     parses one frame of the stream; pure, never raises
``exchange_info``   parses an exchangeInfo body to ``TradingRules``; pure
``transport``       one WebSocket connection and the venue's limits on it
``session``         subscriptions on a connection: deliver, rotate, reconnect
``seeding``         depth snapshots for listeners without a quote, or with an old one
``feed``            ``BookTickerFeed``: the quotes of all symbols
``timing``          the waits and limits of the feed
``rest``            ``VenueRest``: depth and exchangeInfo within the venue's limits
``rules_book``      ``VenueRulesBook``: the last good trading rules, refreshed regularly
``report``          logs the state of the market data once a minute
==================  ===============================================================================

One synchronous call brings a quote from ``transport`` through ``book_ticker`` and ``session`` to
its listener.
"""
