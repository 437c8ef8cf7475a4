"""Market data: what the venue displays and what it accepts, turned into domain values.

=====================  =============================================================================
``book_ticker``        one frame of the stream to one value; pure, no exception ever leaves it
``lag``                how far behind the venue what we read is
``exchange_info``      an exchangeInfo body to ``TradingRules``; pure
``pacing``             how often: sliding windows, exponential backoff
``timing``             how long the feed waits for what, how much it asks of the venue
``causes``             why a connection ended or could not be opened, by kind
``connection``         one WebSocket: frames out by callback, control messages in at an allowed pace
``streams``            what the venue was asked for on one connection
``symbol_stream``      who listens to one symbol's stream, and what they were told last
``seeding``            depth snapshots for listeners without a quote, or with an old one
``link``               a connection with what it was asked for: its frames are delivered, or kept
``conflation``         the newest quote of each symbol, while we are behind
``kept_frames``        frames that wait until another connection has delivered its last
``rotation``           replaces a link by another one, new connection first
``outage``             what is wrong, and when to try again
``shared_connection``  keeps one connection alive for up to 1,023 symbols, with one or two links
``feed``               ``BookTickerFeed``: the quotes of all symbols
``rest``               ``VenueRest``: depth snapshots and exchangeInfo within the venue's limits
``rules_book``         ``VenueRulesBook``: the last good trading rules, refreshed hourly
=====================  =============================================================================

A quote takes ``connection``, ``book_ticker``, ``link``, ``symbol_stream`` and is with its listener,
in one synchronous call. Each layer knows those above it in the table.
"""
