"""The pure core: plain synchronous Python, standard library only, no clock and no I/O.

Read ``order`` and ``quote`` for the values, ``liquidity`` for the fill rule's memory, ``matcher``
for the fill rule itself, ``rules`` for what the venue would accept.
"""
