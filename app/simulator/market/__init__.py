"""The markets that a simulated venue can show, behind ``market_protocols``.

``synthetic_market`` makes quotes from a seed (``pairs``, ``pair_dynamics``, ``fair_value``,
``book_walk``), ``tape_market`` plays a tape, ``scripted_market`` plays what a test pushes.
"""
