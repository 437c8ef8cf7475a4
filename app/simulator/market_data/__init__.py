"""Market data that follows from the quotes: the order book, trades, candles and tickers.

Binance's clients read more than best bids and asks. All of it is derived from the quotes, so it is
consistent: the book begins with the best levels, each trade takes a displayed quantity, candles and
tickers sum up the trades. The same quotes give the same data.
"""
