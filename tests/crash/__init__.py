"""Kills of real processes under load, judged by what their clients were told.

``lots`` is a market whose every lot is known, ``clients`` place
and cancel orders and write down what they hear, ``checker`` judges their records, ``planted_bugs``
are what it must find, ``campaign`` puts all of it together. ``python -m tests.crash --kills 500``
runs a longer one.
"""
