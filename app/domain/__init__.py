"""The pure core: plain synchronous Python, standard library only, no clock and no I/O.

``order`` and ``quote`` define the values, ``matcher`` applies the fill rule, ``liquidity``
remembers the taken quantities, and ``rules`` checks orders against the venue's trading rules.
"""
