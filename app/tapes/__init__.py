"""Tapes: stored streams of quotes, and what becomes of orders when one is played back.

A tape is JSON Lines in the order of receipt, gzipped or plain: ``{"ts":<epoch microseconds, the
receiver's clock>,"data":<the venue's own text>}``; ``ts`` never decreases, other keys are ignored.
A line with ``note`` instead of ``data`` tells something about the recording and is no frame.
"""
