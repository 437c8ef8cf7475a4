"""Tapes: stored streams of quotes. This package writes, reads and replays them.

A tape is a file of JSON lines in the order of receipt, gzipped or plain. A line is
``{"ts":<epoch microseconds of the receiver's clock>,"data":<the venue's own text>}``. ``ts`` never
decreases, and other keys are ignored. A line with ``note`` instead of ``data`` describes the
recording and is not a frame.
"""
