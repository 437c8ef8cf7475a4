"""How close the synthetic market is to recorded markets.

``quote_statistics`` measures a stream of quotes, ``tape_figures.json`` stores the figures of tapes,
``bounds`` says how far the synthetic market may deviate, ``measurement`` applies the bounds.
"""
