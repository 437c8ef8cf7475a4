"""Subscriptions on a venue connection, kept alive.

``session`` is one connection with its subscriptions. ``supervisor`` keeps one session alive for up
to 1,023 symbols: it replaces a lost one (``outage``) and rotates before the venue closes it
(``rotation``, ``kept_frames``). ``stream_requests`` is the venue's list of streams for one
connection, ``symbol_stream`` the listeners of one symbol. ``lag`` measures how far the service is
behind the venue; ``conflation`` keeps the newest quotes while it is. ``timing`` holds all waits.
"""
