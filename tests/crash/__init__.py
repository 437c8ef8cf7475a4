"""Kills real processes under load, and checks the service by the records of its clients.

``lots`` is a market with known lots, ``clients`` place and cancel orders and record all answers and
events, ``checker`` compares their records with the database, ``planted_bugs`` are bugs that it must
find, and ``campaign`` runs all of them. A longer campaign: ``python -m tests.crash --kills 500``.
"""
